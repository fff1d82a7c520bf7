"""The gate, the version, the card: over finished artifacts with known scores."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCardData

from zoo.api import Citation, Document, Example
from zoo.artifact import Artifact, Workspace, finish, write_rows
from zoo.card import licence_of
from zoo.config import Options
from zoo.errors import ReleaseRefused, RequestError
from zoo.library import load_domain
from zoo.recipes import load_recipe
from zoo.releases import find_release, next_version, versions
from zoo.run import Run, load_step, prepare, run_step
from zoo.weights import Weights


def score(suite: str, n: int, model: float, low: float, **more: Any) -> dict[str, Any]:
    return {
        "suite": suite, "version": 1.0, "metric": "acc", "n": n, "of": n, "trivial": "chance", "model": model,
        "baselines": {"zero_shot": 0.3, "few_shot": None, "trivial": 0.25}, "baseline": "zero_shot",
        "difference": {"value": model - 0.3, "low": low, "high": 0.5}, **more,
    }  # fmt: skip


GOOD = [
    score("healthcare_exam_open", 140, 0.5, 0.08, versus_zero_shot={"value": 0.2, "low": 0.08, "high": 0.3}),
    score("general", 312, 0.41, -0.02, versus_zero_shot={"value": 0.0, "low": -0.02, "high": 0.02}),
]


READ: dict[str, Any] = {"documents": 3, "passages": 9, "rejected": 1, "duplicates": 0}
ANNOTATED: dict[str, Any] = {
    "kept": 4,
    "rejected": {"quote not found": 2},
    "asked": 5,
    "asked_passages": 3,
    "asked_questions": 2,
    "teacher": "t",
    "passages": 9,
}


FINETUNED: dict[str, Any] = {
    "rows": 6, "stopped": None, "examples": {"train": 4, "validation": 0, "unseen": 0, "no_row": 0, "not_chosen": 0},
}  # fmt: skip
ROWS = [{"example": f"e{n}", "form": form, "split": "train"} for n in range(4) for form in ("direct-open-0",)]


class Case:
    def __init__(self, root: Path) -> None:
        self.root = root
        base = Weights("org/base", root / "base", "d" * 64, "apache-2.0", "a test", None, False)
        (root / "base").mkdir(parents=True)
        domain, recipe = load_domain("medical"), load_recipe("laptop")
        self.run = Run(domain, recipe, Options(), Workspace(root / "ws"))
        self.run.__dict__["base"] = base

    def artifact(self, step: str, result: dict[str, Any]) -> Artifact:
        folder = self.root / step
        folder.mkdir(exist_ok=True)
        return finish(folder, {"fingerprint": f"{step}-1", "config": {"a": 1}, "result": result})

    def inputs(self, suites: list[dict[str, Any]]) -> dict[str, Artifact]:
        self.artifact("ingest", READ)
        rows = [
            Example(
                id=f"e{n}",
                kind="label" if n == 3 else "short",
                question="q",
                context="" if n else "a",
                answer="a",
                citations=[] if n else [Citation(quote="a", document="d", passage="p", start=0, end=1)],
                origin="person" if n else "document",
                source="sample",
                licence="Apache-2.0",
            )
            for n in range(4)
        ]
        (self.root / "annotate").mkdir(exist_ok=True)
        write_rows(self.root / "annotate" / "examples.jsonl", rows)
        self.artifact("annotate", ANNOTATED)
        (self.root / "finetune" / "merged").mkdir(parents=True, exist_ok=True)
        (self.root / "finetune" / "adapter").mkdir(exist_ok=True)
        (self.root / "finetune" / "merged" / "model.safetensors").write_bytes(b"weights")
        (self.root / "finetune" / "adapter" / "adapter_model.safetensors").write_bytes(b"adapter")
        write_rows(self.root / "finetune" / "rows.jsonl", ROWS)
        self.artifact("finetune", FINETUNED)
        (self.root / "evaluate").mkdir(exist_ok=True)
        (self.root / "evaluate" / "items.jsonl").write_text("{}\n")
        (self.root / "evaluate" / "scores.json").write_text(json.dumps(suites))
        self.artifact("evaluate", {"suites": suites})
        return {s: Artifact(self.root / s) for s in ("ingest", "annotate", "finetune", "evaluate")}

    def release(self, suites: list[dict[str, Any]]) -> tuple[Artifact, bool]:
        return run_step(self.run, load_step("release"), self.inputs(suites))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_a_good_model_becomes_a_version_with_its_files(case):
    artifact, skipped = case.release(GOOD)
    assert not skipped
    assert artifact.folder.name == "0.1.0"
    assert artifact.result["gate"] == "passed"
    assert {"README.md", "model.safetensors", "adapter/adapter_model.safetensors", "items.jsonl", "steps.json"} <= set(
        artifact.record["files"]
    )
    assert artifact.path("model.safetensors").stat().st_nlink == 2
    assert find_release(case.run.workspace, "medical@0.1.0")[2] == artifact


def test_where_files_cannot_be_linked_they_are_copied_and_counted(case, monkeypatch, capsys):
    def refuse(*_: Any) -> None:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "link", refuse)
    artifact, _ = case.release(GOOD)
    source = case.root / "finetune" / "merged" / "model.safetensors"
    copy = artifact.path("model.safetensors")
    assert copy.read_bytes() == source.read_bytes() and copy.stat().st_ino != source.stat().st_ino
    assert "  MB copied: 0 of 0 in " in capsys.readouterr().err


def test_the_same_content_is_skipped_and_other_content_is_the_next_minor_version(case):
    case.release(GOOD)
    again, skipped = case.release(GOOD)
    assert skipped and again.folder.name == "0.1.0"
    better = [{**GOOD[0], "model": 0.6}, GOOD[1]]
    assert case.release(better)[0].folder.name == "0.2.0"
    assert list(versions(case.run.workspace, "healthcare")) == ["0.1.0", "0.2.0"]


def test_versions_are_ordered_as_numbers():
    assert next_version([]) == "0.1.0"
    assert next_version(["0.9.0", "0.10.0"]) == "0.11.0"


@pytest.mark.parametrize(
    ("suites", "reason"),
    [
        ([{**GOOD[0], "difference": {"value": 0.1, "low": -0.01, "high": 0.2}}, GOOD[1]], "not surely better"),
        ([GOOD[1]], "healthcare_exam_open that decides was not evaluated"),
        ([GOOD[0]], "general was not evaluated"),
        ([GOOD[0], {**GOOD[1], "n": 100}], "only 100 items"),
        ([GOOD[0], {**GOOD[1], "versus_zero_shot": {"value": -0.04, "low": -0.08, "high": 0.0}}], "may have lost more"),
    ],
)
def test_the_gate_refuses_and_leaves_no_version(case, suites, reason):
    with pytest.raises(ReleaseRefused, match=reason) as refused:
        case.release(suites)
    assert refused.value.result["gate"] == "refused"
    assert refused.value.exit_code == 3
    assert versions(case.run.workspace, "healthcare") == {}
    assert list(case.run.workspace.releases("healthcare").iterdir()) == []


FEW = "evaluate.limit={general: 299}"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ((FEW,), "evaluate.limit.general is 299 and the gate needs 300"),
        (("evaluate.suites=[general]",), "healthcare_exam_open that decides is not among"),
        (("evaluate.suites=[healthcare_exam_open]",), "general that shows what the model forgot is not among"),
        (("evaluate.suites=[general, healthcare_exam_open]", "release.suite=pubmedqa"), "pubmedqa that decides"),
    ],
)
def test_a_release_that_cannot_pass_is_refused_before_any_work(settings, reason):
    for until in (None, "release"):
        with pytest.raises(RequestError, match=reason):
            prepare("medical", Options(settings=settings), until)
    for until in ("ingest", "evaluate"):
        prepare("medical", Options(settings=settings), until)
    prepare("medical", Options(settings=(*settings, "release.override_gate=true")))
    prepare("medical", Options(settings=(*settings, "steps=[ingest, annotate, finetune, evaluate]")))


def test_a_release_that_may_pass_is_not_refused_before_the_work(tmp_path):
    prepare("medical", Options(settings=("evaluate.limit={general: 300}",)))
    rows = tmp_path / "pubmedqa.jsonl"
    rows.write_text(
        json.dumps(dict.fromkeys(("pmid", "QUESTION", "CONTEXTS", "final_decision", "LONG_ANSWER"), "x")) + "\n"
    )
    prepare("medical", Options(settings=("evaluate.suites=[general]",), suite_data={"pubmedqa": rows}))


def test_an_overridden_gate_says_so_on_the_card(tmp_path):
    case = Case(tmp_path)
    recipe = load_recipe("laptop", ("release.override_gate=true",))
    case.run = Run(case.run.domain, recipe, Options(), case.run.workspace)
    case.run.__dict__["base"] = Weights("org/base", tmp_path / "base", "d" * 64, "apache-2.0", "a test", None, False)
    artifact, _ = case.release([GOOD[1]])
    assert artifact.result["gate"] == "overridden"
    card = artifact.path("README.md").read_text()
    assert "against the gate's advice" in card and "was not evaluated" in card


def test_the_card_is_valid_metadata_and_says_what_was_measured(case):
    artifact, _ = case.release(GOOD)
    card = artifact.path("README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    data = ModelCardData(**front)
    assert (data.license, data.base_model, data.library_name) == ("apache-2.0", "org/base", "transformers")
    assert front["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.5
    assert (
        "| healthcare_exam_open | 1.0 | acc | 140 | 0.300 | – | 0.250 | **0.500** | +0.200 (+0.080 to +0.500) |" in card
    )
    assert "| sample | Apache-2.0 | person |" in card and "| sample | Apache-2.0 | document |" in card
    assert "\n- `sample`: Twenty-seven documents written for this project\n" in card and "`medqa`" not in card
    assert "2 quote not found" in card
    assert "not the Hub repository's own files" in card
    assert str(case.root) not in card
    assert str(case.root) not in artifact.path("record.json").read_text()


def test_a_release_names_a_folder_of_this_disk_by_its_name(case):
    inputs = case.inputs(GOOD)
    where = str(case.root / "models" / "minilm")
    record = {"fingerprint": "i", "config": {"embedder": where}, "result": READ}
    artifact, _ = run_step(case.run, load_step("release"), {**inputs, "ingest": finish(case.root / "ingest", record)})
    assert "embedder: minilm\n" in artifact.path("README.md").read_text()
    assert json.loads(artifact.path("steps.json").read_text())["ingest"]["config"]["embedder"] == "minilm"
    assert not [n for n in ("README.md", "steps.json", "record.json") if str(case.root) in artifact.path(n).read_text()]


def card_of(case: Case, suites: list[dict[str, Any]]) -> str:
    return case.release(suites)[0].path("README.md").read_text()


def test_the_card_claims_what_was_trained_and_measured_alone(case):
    card = card_of(case, GOOD)
    assert "4 examples: answering in a few words (3), giving a text its label (1); 1 of them with the text" in card
    assert "It was measured on `healthcare_exam_open`, `general`." in card
    assert "shortens" not in card and "labels sections" not in card


def test_the_card_counts_the_examples_that_trained_and_says_what_became_of_the_others(case, monkeypatch):
    assert "4 of the 4 examples trained the model. Those that trained it:" in card_of(case, GOOD)
    splits = {"e0": "train", "e1": "validation", "e2": "unseen"}
    rows = [{"example": e, "form": "direct-closed-0", "split": s} for e, s in splits.items()]
    rows.append({"example": "e0", "form": "direct-open-0", "split": "validation"})
    monkeypatch.setattr(sys.modules[__name__], "ROWS", rows)
    monkeypatch.setitem(FINETUNED, "examples", {"train": 1, "validation": 1, "unseen": 1, "no_row": 1, "not_chosen": 0})
    monkeypatch.setitem(FINETUNED, "stopped", "max_tokens")
    card = card_of(case, [{**GOOD[0], "model": 0.6}, GOOD[1]])
    assert "It was trained on 1 examples: answering in a few words (1); 0 of them with the text" in card
    assert (
        "1 of the 4 examples trained the model; 1 were held out to see when to stop; the training, as it is kept, ended "
        "before 1 had their turn (`finetune.max_tokens` was reached); 1 gave no row to train on"
    ) in card
    assert "| sample | Apache-2.0 | document |" in card and "| sample | Apache-2.0 | person |" not in card


def test_the_card_says_how_much_of_the_material_was_used(case, monkeypatch):
    assert "asked about 3 of the passages and about 2 questions of sources; 1 of those passages gave" in card_of(
        case, GOOD
    )
    monkeypatch.setitem(ANNOTATED, "stopped", "the budget of 5 calls was reached after 5 of 11 items")
    monkeypatch.setitem(READ, "coverage", {"files": 12, "read": 4})
    card = card_of(case, [GOOD[0], {**GOOD[1], "of": 320}])
    assert "It was asked no more because the budget of 5 calls was reached after 5 of 11 items." in card
    assert "The documents are a sample: 4 of the 12 files found were read. 3 documents gave 9 passages" in card
    assert "| acc | 312 of 320 |" in card and "| acc | 140 |" in card


def test_the_card_says_where_the_model_is_worse_and_what_it_leans_to(case):
    lost = score("healthcare_exam_cot", 24, 0.1, -0.4)
    lost["difference"]["high"] = -0.05
    labels = score("pubmedqa", 50, 0.5, 0.1, trivial="majority", predicted={"model": {"yes": 0.4}}, gold={"yes": 0.3})
    card = card_of(case, [*GOOD, lost, labels])
    sentence = (
        "- On `healthcare_exam_cot` the model (0.100) is worse than the base, zero-shot (0.300): difference -0.200, "
    )
    assert sentence + "95% interval -0.400 to -0.050 over 24 items." in card.partition("## Limits")[2]
    assert card.count("is worse than") == 1
    assert "- `pubmedqa`: the model says 'yes' on 40.0% of the items, and that is right on 30.0%; always giving" in card


def test_the_card_names_the_texts_of_pretraining_with_their_licences(case):
    case.run = Run(
        case.run.domain, load_recipe("laptop", ("steps=[ingest, annotate, pretrain, finetune, evaluate, release]",)),
        Options(), case.run.workspace,
    )  # fmt: skip
    case.run.__dict__["base"] = Weights("org/base", case.root / "base", "d" * 64, "apache-2.0", "a test", None, False)
    inputs = case.inputs(GOOD)
    documents = [Document(id=str(n), path="d", text="t", source="corpus", licence="unknown") for n in range(3)]
    write_rows(case.root / "ingest" / "documents.jsonl", documents)
    (case.root / "pretrain").mkdir()
    case.artifact("pretrain", {
        "tokens": 100, "documents": 2, "held_out": 1, "replay_tokens": 10, "corpus_tokens": 90, "coverage": 0.25,
        "perplexity": {"before": 2.0, "after": 1.5}, "replay_perplexity": {"before": 3.0, "after": 3.0},
        "text": "passages", "tasks": {}, "taught": 0,
    })  # fmt: skip
    artifact, _ = run_step(case.run, load_step("release"), {**inputs, "pretrain": Artifact(case.root / "pretrain")})
    card = artifact.path("README.md").read_text()
    assert "| 3 documents | corpus | unknown |" in card
    assert "| general texts against forgetting | SRM Zoo | Apache-2.0 |" in card
    assert "25% of the material" in card and "2 documents (their passages as they are), and general text" in card
    assert "some of its data come under: unknown" in card and yaml.safe_load(card.split("---")[1])["license"] == "other"


def test_a_version_that_was_killed_half_way_is_made_anew(case):
    half = case.run.workspace.releases("healthcare") / "0.1.0"
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"wei")
    assert case.release(GOOD)[0].path("model.safetensors").read_bytes() == b"weights"


def test_the_licence_follows_base_and_sources():
    row = {"licence": "Apache-2.0"}
    assert licence_of("apache-2.0", [row])[0] == "apache-2.0"
    assert licence_of("apache-2.0", [row, {"licence": "cc-by-nc-4.0"}])[0] == "other"
    both = {"licence": f"{row['licence']} AND cc-by-nc-4.0"}
    assert licence_of("apache-2.0", [both]) == ("other", "some of its data come under: cc-by-nc-4.0")
    assert licence_of("apache-2.0", [{"licence": f"{row['licence']} AND {row['licence']}"}])[0] == "apache-2.0"
    assert licence_of("unknown", [row])[0] == "other"
