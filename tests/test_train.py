"""`zoo train` as a user runs it, in a process of its own, over tiny random models: to a release, and again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from lxml import html

import zoo
from tests.fakes.runs import Models, finished, start, tiny_models
from zoo.artifact import Artifact, Workspace
from zoo.report import write_report


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return tiny_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def whole(models: Models, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    workspace = tmp_path_factory.mktemp("whole")
    return workspace, finished(start(models, workspace))


def test_it_ends_in_a_release_that_can_be_loaded(whole):
    workspace, result = whole
    assert (result["domain"], result["version"], result["gate"]) == ("healthcare", "0.1.0", "overridden")
    assert [s["step"] for s in result["steps"]] == [
        "ingest", "annotate", "pretrain", "finetune", "evaluate", "release",
    ]  # fmt: skip
    card = (Path(result["folder"]) / "README.md").read_text()
    assert "Released against the gate's advice" in card and "| sample | Apache-2.0 | person |" in card
    assert "embedder: embedder\n" in card and Path(result["folder"]) == Path(result["artifact"])
    for said in ("record.json", "steps.json", "README.md"):
        text = (Path(result["folder"]) / said).read_text()
        assert str(workspace) not in text and "/embedder" not in text
    loaded = zoo.load("medical", workspace)
    assert isinstance(loaded.answer("Which drug is first?", context="Adrenaline is first.", max_tokens=3), str)


def test_it_leaves_a_page_about_the_run(whole):
    workspace, result = whole
    page = workspace / "healthcare" / "report.html"
    assert result["report"] == str(page)
    written = page.read_text(encoding="utf-8")
    tree = html.document_fromstring(written)
    assert "against the gate's advice" in tree.get_element_by_id("verdict").text_content()
    kept = {s.find("h3").text: int(s.find_class("kept")[0].text.replace(",", "")) for s in tree.find_class("stage")}
    assert kept["Documents"] == Artifact(next((workspace / "healthcare" / "ingest").iterdir())).result["documents"]
    examples = next((workspace / "healthcare" / "annotate").glob("*/examples.jsonl"))
    assert kept["Examples"] == len(examples.read_text(encoding="utf-8").splitlines())
    assert len(tree.find_class("interval")) == 4 and len(tree.find_class("curve")) == 2
    assert all(mark.text for mark in tree.findall(".//mark")) and tree.findall(".//mark")
    assert str(workspace) not in written
    write_report(Workspace(workspace), "healthcare")
    assert page.read_text(encoding="utf-8") == written


def test_a_refused_release_leaves_the_page_all_the_same(whole, models, tmp_path):
    shutil.copytree(whole[0] / "healthcare", tmp_path / "healthcare", ignore=shutil.ignore_patterns("report.html"))
    shutil.copytree(whole[0] / "cache", tmp_path / "cache")
    # Fewer general items, and the gate would not even be asked.
    limit = "evaluate.limit={healthcare_exam: 6, healthcare_exam_open: 6, healthcare_exam_cot: 3, general: 300}"
    process = start(models, tmp_path, "--set", "release.override_gate=false", "--set", limit)
    out, err = process.communicate(timeout=400)
    assert process.returncode == 3, err
    result = json.loads(out)
    assert result["gate"] == "refused" and result["report"] == str(tmp_path / "healthcare" / "report.html")
    verdict = html.parse(result["report"]).getroot().get_element_by_id("verdict").text_content()
    assert "the gate refused" in verdict and all(reason in verdict for reason in result["reasons"])


def test_the_same_again_does_nothing(whole, models):
    workspace, first = whole
    again = finished(start(models, workspace))
    assert all(s["skipped"] for s in again["steps"])
    assert again["folder"] == first["folder"]
