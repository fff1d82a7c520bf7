"""The classifier as annotate's last sieve, and what its filter is worth, measured through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.models import tiny_embedder, tiny_weights
from tests.fakes.teacher import Reply, serving
from tests.quality import doses
from tests.steps.annotate_job import annotate, make
from zoo.api import Example, Rejected
from zoo.artifact import Artifact
from zoo.cli import app
from zoo.config import AnnotateSettings, QualitySettings

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


def test_without_a_method_nothing_is_scored(tmp_path: Path) -> None:
    artifact = annotated(tmp_path, doses.script, FAST.model_copy(update={"quality": QualitySettings()}))
    assert "quality" not in artifact.result and all(line["stage"] != "quality" for line in artifact.result["ledger"])
    assert artifact.result["kept"] == doses.COUNT // 2


RECIPE = {
    "name": "tiny", "steps": ["ingest", "annotate", "finetune", "evaluate"],
    "annotate": {"attempts": 1, "duplicate": 1.0, "quality": {"method": "embedding"}},
    "finetune": {"rank": 2, "alpha": 4, "epochs": 1, "max_length": 256, "validation": 0.0},
    "evaluate": {"bootstrap": 200, "suites": ["pharmacy_exam"]},
}  # fmt: skip


def ablated(root: Path, capsys: Any, script: Callable[[dict[str, Any], int], Reply]) -> dict[str, Any]:
    """What `zoo annotate pharmacy --ablate --json` prints."""
    make(root, 2, verifiers=KINDS, annotators={"questions": "sciglm"})
    domain = root / "pharmacy"
    (domain / "sample").mkdir(exist_ok=True)
    (domain / "sample" / "one.md").write_text("# Doses\n\nThe label gives an amount for each kilogram of the weight.\n")
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


def test_arms_of_equal_size_are_trained_and_compared_item_by_item(tmp_path: Path, capsys: Any) -> None:
    result = ablated(tmp_path, capsys, doses.script)
    left_out = sum(map(doses.misled, range(doses.COUNT)))
    assert result["quality"]["rejected"] == left_out
    assert [a["examples"] for a in result["arms"].values()] == [doses.COUNT // 2 - left_out] * 3
    tokens = [a["tokens"] for a in result["arms"].values()]
    assert max(tokens) - min(tokens) <= 256
    (suite,) = result["suites"]
    assert (suite["suite"], suite["n"], list(suite["arms"])) == (
        "pharmacy_exam",
        1,
        ["filtered", "unfiltered", "random"],
    )
    for d in suite["differences"]:
        assert d["low"] <= d["value"] <= d["high"]
        assert d["value"] == pytest.approx(suite["arms"][d["of"]] - suite["arms"][d["to"]])
    left = json.loads(Path(result["files"]["ablation"]).read_text())
    assert left["suites"] == result["suites"]
    made = {p: p.stat().st_mtime_ns for p in (tmp_path / "workspace").rglob("record.json")}
    again = ablated(tmp_path, capsys, doses.script)
    assert again == result and made == {p: p.stat().st_mtime_ns for p in made}
    rows = {a: rows_of(tmp_path, a) for a in result["arms"]}
    misled = {f"sciglm-asked-d{n}" for n in range(doses.COUNT) if doses.misled(n)}
    assert not rows["filtered"] & misled and rows["unfiltered"] & misled and rows["random"] & misled


def rows_of(root: Path, arm: str) -> set[str]:
    for path in (root / "workspace" / "pharmacy" / "annotate").glob("*/record.json"):
        artifact = Artifact(path.parent)
        if artifact.result.get("arm") == arm:
            return {e.id for e in artifact.rows("examples.jsonl", Example)}
    raise AssertionError(arm)
