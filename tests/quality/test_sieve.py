"""The classifier as annotate's last sieve, and what its filter is worth, measured through the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.models import tiny_embedder, tiny_weights
from tests.fakes.teacher import Reply, serving
from tests.quality import doses
from tests.quality.planted import apart_by_nothing, row, sentence
from tests.steps.annotate_job import annotate, make
from tests.steps.annotate_job import job as annotate_run
from zoo.ablation import ARMS, rows_of_arm
from zoo.api import Example, Rejected, Verdict
from zoo.artifact import Artifact, write_rows
from zoo.asking import Work
from zoo.cli import app
from zoo.curating import Pool
from zoo.curating.quality import sieve
from zoo.errors import RequestError
from zoo.run import Job
from zoo.settings import AnnotateSettings, QualitySettings
from zoo.steps.annotate import STEP

KINDS = {"choice": "choice", "number": "number", "label": "label"}
FAST = AnnotateSettings(timeout_s=5.0, retries=2, attempts=1, quality=QualitySettings(method="embedding"))


def annotated(
    root: Path, script: Callable[[dict[str, Any], int], Reply], settings: AnnotateSettings = FAST
) -> Artifact:
    ingest = make(root, 2, verifiers=KINDS, annotators={"questions": "sciglm"})
    with serving(script) as teacher:
        return annotate(root, ingest, teacher.url, settings, sources={"asked": doses.questions(root / "asked.jsonl")})


def test_rows_that_score_low_are_rejected_with_their_score_and_all_that_is_in_them(tmp_path: Path) -> None:
    artifact = annotated(tmp_path, doses.script)
    quality = artifact.result["quality"]
    assert quality["filtered"] and quality["method"] == "embedding" and quality["pairs"] >= 50 and not quality["made"]
    assert quality["auroc"]["classifier"]["low"] > 0.8
    assert max(quality["auroc"][rule]["value"] for rule in ("markers", "length")) <= 0.6
    rejected = [r for r in artifact.rows("rejected.jsonl", Rejected) if r.reason == "low_quality"]
    misled = [n for n in range(doses.COUNT) if doses.misled(n)]
    assert [r.id for r in rejected] == [f"sciglm-asked-d{n}" for n in misled]
    assert all(r.detail["score"] <= 0 and r.attempts and r.attempts[-1].right for r in rejected)
    assert Example.model_validate(rejected[0].detail["row"]).question == "What dose of zalor does disease0 need?"
    kept = list(artifact.rows("examples.jsonl", Example))
    assert len(kept) == doses.COUNT // 2 - len(misled) and quality["scored"] == doses.COUNT // 2
    assert all(e.verdicts[-1].check == "quality" and float(e.verdicts[-1].reason.split(",")[0]) > 0 for e in kept)
    line = artifact.result["ledger"][-1]
    assert (line["stage"], line["in"], line["kept"], line["rejected"]) == (
        "quality", doses.COUNT // 2, len(kept), {"low_quality": len(misled)},
    )  # fmt: skip


def test_a_classifier_of_markers_filters_nothing_and_says_why(tmp_path: Path) -> None:
    def script(body: dict[str, Any], before: int) -> Reply:
        said = doses.script(body, before).content
        assert said
        return Reply(said.replace("gives the dose.", "(gives the dose)!") if doses.SOUND in said else said)

    artifact = annotated(tmp_path, script)
    quality = artifact.result["quality"]
    assert (
        quality["filtered"] is False and "only signs and cue words" in quality["why"] and "low_quality" not in quality
    )
    kept = list(artifact.rows("examples.jsonl", Example))
    assert len(kept) == doses.COUNT // 2 and all(v.check != "quality" for e in kept for v in e.verdicts)
    log = (artifact.folder / "annotate.log").read_text()
    assert "nothing is filtered: a rule that sees only signs and cue words has an AUROC of" in log


def test_documents_that_leave_too_few_wrong_solutions_have_some_made_which_are_counted(tmp_path: Path) -> None:
    make(tmp_path, 0)
    run = annotate_run(tmp_path, None, FAST)
    run.__dict__["embedder"] = replace(run.embedder, folder=tiny_embedder(tmp_path / "embedder"))
    step = Job(run, STEP, {}, tmp_path / "step")
    with closing(Work(step.work)) as work:
        for n in range(60):
            things = [f"thing{n + m}" for m in range(3)]
            kept = row(2 * n, True, lambda _, right, rng, own=things: f"{sentence(rng)}.\nAnswer: {own[0]}", "choice")
            work.add(kept.model_copy(update={"origin": "document", "choices": things, "answer": things[0]}))
        work.add(row(1, False, apart_by_nothing, "choice"))
        sieved = sieve(step, Pool(work))
    assert sieved and not sieved.rejected and sieved.facts["filtered"] is False
    assert (sieved.facts["pairs"], sieved.facts["made"], sieved.facts["questions"]) == (60, 59, 60)
    assert 0 < sieved.facts["auroc"]["classifier"]["value"] < 0.7


def test_without_a_method_nothing_is_scored(tmp_path: Path) -> None:
    artifact = annotated(tmp_path, doses.script, FAST.model_copy(update={"quality": QualitySettings()}))
    assert "quality" not in artifact.result and all(line["stage"] != "quality" for line in artifact.result["ledger"])
    assert artifact.result["kept"] == doses.COUNT // 2


RECIPE = {
    "name": "tiny", "steps": ["ingest", "annotate", "finetune", "evaluate"],
    "annotate": {"attempts": 1, "duplicate": 1.0, "quality": {"method": "embedding"}},
    "finetune": {"rank": 2, "alpha": 4, "epochs": 0.3, "max_length": 256, "validation": 0.0},
    "evaluate": {"bootstrap": 200, "suites": ["doses_exam"]},
}  # fmt: skip


EXAM = {
    "task": "doses_exam", "output_type": "multiple_choice", "dataset_path": "json", "test_split": "test",
    "doc_to_text": "prompt", "doc_to_choice": "options", "doc_to_target": "gold_index", "target_delimiter": "",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    "metadata": {
        "version": 1,
        "zoo": {"data": "doses.jsonl", "context": "hidden", "options": "hidden", "baseline": "chance", "metric": "acc"},
    },
}  # fmt: skip


def ablated(root: Path, capsys: Any, script: Callable[[dict[str, Any], int], Reply]) -> dict[str, Any]:
    """What `zoo annotate pharmacy --ablate --json` prints."""
    make(root, 2, verifiers=KINDS, annotators={"questions": "sciglm"})
    domain = root / "pharmacy"
    (domain / "sample").mkdir(exist_ok=True)
    (domain / "sample" / "one.md").write_text("# Doses\n\nThe label gives an amount for each kilogram of the weight.\n")
    (domain / "suites" / "doses_exam.yaml").write_text(yaml.safe_dump(EXAM))
    exam = [
        Example(
            id=f"doses-{n}", kind="choice", question=f"How is the dose for illness{n} found?", choices=["by weight", "by age"],
            answer="by weight", origin="person", source="exam", licence="CC0-1.0",
        )
        for n in range(12)
    ]  # fmt: skip
    write_rows(domain / "doses.jsonl", exam)
    base, embedder = tiny_weights(root / "base").folder, tiny_embedder(root / "embedder")
    recipe = root / "tiny.yaml"
    recipe.write_text(yaml.safe_dump({**RECIPE, "base": str(base), "ingest": {"embedder": str(embedder)}}))
    with serving(script) as teacher:
        app([
            "annotate", "pharmacy", "--ablate", "--json", "--recipe", str(recipe), "--workspace", str(root / "workspace"),
            "--domain-path", str(domain), "--teacher-url", teacher.url, "--teacher-model", "scripted",
            "--source", f"asked={doses.questions(root / 'asked.jsonl')}",
        ], standalone_mode=False)  # fmt: skip
    return dict(json.loads(capsys.readouterr().out))


@pytest.mark.slow
def test_arms_of_equal_size_are_trained_and_compared_item_by_item(tmp_path: Path, capsys: Any) -> None:
    result = ablated(tmp_path, capsys, doses.script)
    left_out = result["quality"]["rejected"]
    assert left_out and result["quality"]["filtered"]
    assert [a["examples"] for a in result["arms"].values()] == [doses.COUNT // 2 - left_out] * 3
    tokens = [a["tokens"] for a in result["arms"].values()]
    assert max(tokens) - min(tokens) < 8 * 256, "a batch at the most"
    (suite,) = result["suites"]
    assert (suite["suite"], suite["n"], tuple(suite["arms"])) == ("doses_exam", 12, ARMS)
    for d in suite["differences"]:
        assert d["low"] <= d["value"] <= d["high"]
        assert d["value"] == pytest.approx(suite["arms"][d["of"]] - suite["arms"][d["to"]])
    left = json.loads(Path(result["files"]["ablation"]).read_text())
    assert left["suites"] == result["suites"]
    made = {p: p.stat().st_mtime_ns for p in (tmp_path / "workspace" / "pharmacy").glob("[aef]*/*/record.json")}
    again = ablated(tmp_path, capsys, doses.script)
    assert again == result and made == {p: p.stat().st_mtime_ns for p in made}
    rows = {arm: ids(artifact_of(tmp_path, arm), "examples.jsonl", Example) for arm in result["arms"]}
    dropped = ids(Artifact(Path(result["artifact"])), "rejected.jsonl", Rejected)
    assert not rows["filtered"] & dropped and rows["unfiltered"] & dropped and rows["random"] & dropped


def artifact_of(root: Path, arm: str) -> Artifact:
    every = (Artifact(p.parent) for p in (root / "workspace" / "pharmacy" / "annotate").glob("*/record.json"))
    return next(a for a in every if a.result.get("arm") == arm)


def ids(artifact: Artifact, name: str, row: type[Example] | type[Rejected]) -> set[str]:
    return {r.id for r in artifact.rows(name, row)}


def test_arms_differ_in_who_dropped_what() -> None:
    def example(n: int, scored: bool) -> Example:
        verdicts = [Verdict(check="quality", verdict="right", reason="+0.5, more than 0")] if scored else []
        return Example(
            id=f"e{n}", kind="short", question="q", answer="a", origin="person", source="s", licence="MIT", verdicts=verdicts
        )  # fmt: skip

    kept, dropped = [example(n, n < 60) for n in range(100)], [example(n, False) for n in range(100, 140)]
    arms = {name: {e.id for e in rows_of_arm(name, kept, dropped, 0)} for name in ARMS}
    assert {name: len(rows) for name, rows in arms.items()} == dict.fromkeys(ARMS, 100)
    seeds, gone = {e.id for e in kept[60:]}, {e.id for e in dropped}
    assert arms["filtered"] == {e.id for e in kept}
    assert seeds <= arms["random"] and arms["random"] & gone and not seeds <= arms["unfiltered"]
    assert arms["random"] != arms["unfiltered"] and arms["unfiltered"] & gone


def test_where_nothing_is_filtered_nothing_is_compared(tmp_path: Path, capsys: Any) -> None:
    result = ablated(tmp_path, capsys, lambda body, _: Reply(f"{doses.SOUND}\nAnswer: {doses.number(body) + 100} mg"))
    assert "filters nothing, since only 0 questions have" in result["stopped"] and "suites" not in result
    assert not (tmp_path / "workspace" / "pharmacy" / "finetune").exists()


@pytest.mark.parametrize(
    ("verb", "more", "words"),
    [
        ("train", [], "`zoo train` takes no --ablate; say `zoo annotate medical --ablate`"),
        ("annotate", ["--plan"], "--ablate has no plan"),
        ("annotate", [], "annotate.quality.method is none"),
        ("annotate", ["--set", "annotate.quality.method=student", "--set", "steps=[ingest, annotate]"], "no finetune"),
        ("annotate", ["--set", "annotate.quality.method=studnt"], "should be 'none', 'student' or 'embedding'"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_in_one_sentence(
    tmp_path: Path, verb: str, more: list[str], words: str
) -> None:
    with pytest.raises(RequestError, match=re.escape(words)):
        app([verb, "medical", "--ablate", "--workspace", str(tmp_path), *more], standalone_mode=False)
