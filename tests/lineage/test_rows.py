"""Every kind of row that annotate writes says where it is from, who made it, by which prompts, and what it rests on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.fakes.teacher import Reply, serving
from tests.lineage.job import reply
from tests.steps.annotate_job import annotate, make, passage_text
from zoo.api import Citation, Example, Passage, Rejected
from zoo.settings import AnnotateSettings

QUOTE = "corin0 is kept for those who tolerate neither"


def scripted(body: dict[str, Any], before: int) -> Reply:
    prompt = body["messages"][0]["content"]
    if "disease" in prompt:
        return reply(body, before)
    right = "four drops" in prompt
    return Reply(
        f"Three times a day, and each time as many as are said, makes them all.\nAnswer: {12 if right else 13}"
    )


def test_each_says_where_it_is_from(tmp_path: Path) -> None:
    seed = Example(
        id="seed", kind="choice", question="Which drug is kept for those who tolerate neither?", choices=["corin0", "belam0"],
        answer="corin0", citations=[Citation(quote=QUOTE, document="part0.md")], origin="person", source="own", licence="CC0-1.0",
    )  # fmt: skip
    kinds = {"choice": "choice", "label": "label", "number": "number"}
    ingest = make(tmp_path, 1, [seed], verifiers=kinds, kinds={"choice": 1})
    asked, labelled = tmp_path / "asked.jsonl", tmp_path / "labelled.jsonl"
    questions = ("How many drops a day are four drops thrice?", "How many drops a day are five drops thrice?")
    asked.write_text("".join(json.dumps({"id": n, "q": q, "a": "12"}) + "\n" for n, q in enumerate(questions)))
    labelled.write_text(json.dumps({"id": 7, "text": "Take one at night.", "a": "dose"}) + "\n")
    with serving(scripted) as teacher:
        settings = AnnotateSettings(timeout_s=5, attempts=1)
        done = annotate(tmp_path, ingest, teacher.url, settings, sources={"asked": asked, "labelled": labelled})
    rows = {e.id: e for e in done.rows("examples.jsonl", Example)}
    assert set(rows) == {"seed", "labelled-7", "sciglm-asked-0", "grounded_qa-sample/part0.md#0"}
    assert {i: (e.origin, e.source, e.licence, e.place) for i, e in rows.items()} == {
        "seed": ("person", "own", "CC0-1.0", "seeds.jsonl, line 1"),
        "labelled-7": ("questions", "labelled", "MIT", "labelled.jsonl, row 1"),
        "sciglm-asked-0": ("questions", "asked", "MIT", "asked.jsonl, row 1"),
        "grounded_qa-sample/part0.md#0": ("document", "sample", "CC0-1.0", ""),
    }
    passages = {p.id: p for p in ingest.rows("passages.jsonl", Passage)}
    for id_ in ("seed", "grounded_qa-sample/part0.md#0"):
        for c in rows[id_].citations:
            assert passages[c.passage].text[c.start : c.end] == c.quote and c.document == "sample/part0.md"
    assert QUOTE in passage_text(0) and rows["seed"].citations and rows["seed"].teacher is None
    for id_, annotator in (("sciglm-asked-0", "sciglm"), ("grounded_qa-sample/part0.md#0", "grounded_qa")):
        made = rows[id_]
        assert made.teacher and (made.teacher.model, made.teacher.prompt) == ("scripted", annotator)
        assert made.attempts and made.attempts[-1].right and made.verdicts
        assert all(re.fullmatch(rf"{annotator}/\w+@[0-9a-f]{{12}}", a.prompt) and a.said for a in made.attempts)
    (refused,) = done.rows("rejected.jsonl", Rejected)
    assert refused.id == "asked-1" and refused.attempts and not any(a.right for a in refused.attempts)
