"""The nearest training examples to a text, with how each was made and the spans that it rests on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.lineage.conftest import Made
from tests.lineage.test_forget import chained
from zoo.api import Document
from zoo.artifact import Artifact, finish
from zoo.cli import app
from zoo.errors import RequestError
from zoo.lineage.forgetting import carry_out, prepare
from zoo.lineage.training import vectors_of

QUESTION = "Which drug is given first in the treatment of disease1?"


def why(made: Made, *args: str, model: str = "pharmacy") -> Any:
    place = ("--workspace", str(made.workspace.root), "--domain-path", str(made.domain.folder))
    done = CliRunner().invoke(app, ["why", model, *args, *place], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout) if "--json" in args else done.stdout


def test_a_question_finds_its_example_and_the_span_that_proves_it(made: Made) -> None:
    found = why(made, QUESTION, "--json", "--top", "2")
    first = found["examples"][0]
    assert len(found["examples"]) == 2 and found["version"] is None and found["read"] == []
    assert (first["question"], first["nearest"], first["score"]) == (QUESTION, "question", 1.0)
    assert [a["stage"] for a in first["attempts"]] == ["write", "solve"]
    assert all(a["prompt"].startswith(f"grounded_qa/{a['stage']}@") and a["said"] for a in first["attempts"])
    assert first["teacher"]["model"] == "scripted" and first["origin"] == "document"
    (passage,) = first["passages"]
    assert (passage["document"], passage["title"]) == ("corpus/drugs1.md", "Drugs 1")
    ingest = Artifact(next(made.home.glob("ingest/*")))
    text = next(d.text for d in ingest.rows("documents.jsonl", Document) if d.id == passage["document"])
    for quote in passage["quotes"]:
        assert text[slice(*quote["in_document"])] == quote["quote"] == passage["text"][quote["start"] : quote["end"]]


def test_an_answer_finds_its_example_too_and_a_seed_names_its_line(made: Made) -> None:
    answer = "Of the three corin1 is the one that is kept.\ncorin1"
    first = why(made, answer, "--json", "--top", "1")["examples"][0]
    assert (first["id"], first["nearest"], first["score"]) == ("seed-1", "answer", 1.0)
    assert (first["origin"], first["place"]) == ("person", "seeds.jsonl, line 2")
    shown = why(made, answer, "--top", "1")
    for said in ("seed-1", "corin1", "origin person: seeds, CC0-1.0, seeds.jsonl, line 2", "corpus/drugs1.md; Drugs 1"):
        assert said in shown
    assert why(made, QUESTION).count("attempt 2, solve by grounded_qa/solve@") >= 1


def test_only_what_trained_is_shown(made: Made) -> None:
    finetune = next(made.home.glob("finetune/*"))
    rows = [json.loads(line) for line in (finetune / "rows.jsonl").read_text().splitlines()]
    held = [{**r, "split": "validation"} if "drugs1" in r["example"] else r for r in rows]
    (finetune / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in held))
    ids = {e["id"] for e in why(made, QUESTION, "--json", "--top", "20")["examples"]}
    assert ids == {r["example"] for r in held if r["split"] == "train"} and not any("drugs1" in i for i in ids)


def test_the_vectors_are_made_once_and_go_with_what_they_are_of(made: Made) -> None:
    why(made, QUESTION, "--json")
    indexes = {p: p.stat().st_mtime_ns for p in vectors_of(made.workspace, "pharmacy").rglob("index.faiss")}
    why(made, QUESTION, "--json")
    assert len(indexes) == 1 and all(p.stat().st_mtime_ns == at for p, at in indexes.items())
    carry_out(prepare(made.workspace, made.domain, "drugs0.md", rebuild=False, releases=False))
    assert not vectors_of(made.workspace, "pharmacy").exists()
    with pytest.raises(RequestError, match="is not in the workspace any more"):
        why(made, QUESTION)


def test_a_release_is_asked_by_its_version_and_a_pulled_one_has_no_data(made: Made) -> None:
    inputs = {s: next(made.home.glob(f"{s}/*")).name for s in ("ingest", "annotate", "finetune")}
    chained(made, "release", "0.1.0", inputs, "2999-01-01")
    found = why(made, QUESTION, "--json", model="pharmacy@0.1.0")
    assert found["version"] == "0.1.0" and found["examples"][0]["question"] == QUESTION
    with pytest.raises(RequestError, match="org/name was pulled, and a release comes without the data"):
        why(made, QUESTION, model="org/name")
    with pytest.raises(RequestError, match="The text is empty"):
        why(made, " ")


def test_what_continued_pretraining_read_is_shown_from_the_texts_that_trained(made: Made) -> None:
    folder = made.home / "pretrain" / "made"
    folder.mkdir(parents=True)
    rows = [
        {"id": f"t{n}", "document": f"corpus/drugs{n}.md", "passages": [f"corpus/drugs{n}.md#0"], "seen": 9 * (n == 2)}
        for n in range(3)
    ]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    finish(folder, {"step": "pretrain", "fingerprint": "made", "inputs": {}, "ended": "2026", "result": {}})
    path = made.home / "run.json"
    last = json.loads(path.read_text())
    last["steps"].insert(2, {"step": "pretrain", "artifact": "pretrain/made", "skipped": False, "seconds": 1.0})
    path.write_text(json.dumps(last))
    read = why(made, QUESTION, "--json")["read"]
    assert [p["document"] for p in read] == ["corpus/drugs2.md"] and -1 <= read[0]["score"] <= 1
    (folder / "texts.jsonl").unlink()
    assert why(made, QUESTION, "--json")["read"] is None
