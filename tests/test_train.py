"""`zoo train` as a user runs it, in a process of its own, over tiny random models: to a release, again, and after kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from lxml import html

import zoo
from tests.fakes.models import tiny_embedder, tiny_weights
from zoo.artifact import Artifact, Workspace
from zoo.report import write_report

SMALL = (
    "ingest.passage_tokens=800", "annotate.duplicate=1.0", "annotate.max_calls=8", "annotate.local_answer_tokens=16",
    "pretrain.max_tokens=9000", "finetune.epochs=1", "finetune.max_tokens=30000", "finetune.checkpoint_every=3", "evaluate.few_shot=1",
    "evaluate.max_generated_tokens=4", "evaluate.bootstrap=200", "release.override_gate=true",
    "evaluate.limit={healthcare_exam: 6, healthcare_exam_open: 6, healthcare_exam_cot: 3, general: 12}",
)  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("models")
    return tiny_weights(root / "base").folder, tiny_embedder(root / "embedder")


def start(models: tuple[Path, Path], workspace: Path, *more: str) -> subprocess.Popen[str]:
    base, embedder = models
    code = "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"
    settings = [x for s in (*SMALL, f"ingest.embedder={embedder}") for x in ("--set", s)]
    command = [
        sys.executable,
        "-c",
        code,
        "train",
        "medical",
        "--base",
        str(base),
        "--workspace",
        str(workspace),
        "--json",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, *settings, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd="/",
    )


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    assert len(out.splitlines()) == 1, "stdout holds one JSON object and nothing else"
    return dict(json.loads(out))


@pytest.fixture(scope="module")
def whole(models: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
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
    assert len(tree.find_class("interval")) == 4 and len(tree.find_class("curve")) == 1
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


@pytest.mark.slow
@pytest.mark.parametrize("step", ["ingest", "annotate", "finetune", "evaluate"])
def test_killed_in_a_step_the_same_command_finishes_it_and_leaves_the_same(step, whole, models, tmp_path):
    expected = {s: contents(whole[0], s) for s in ("ingest", "annotate", "finetune", "evaluate")}
    process = start(models, tmp_path)
    deadline = time.monotonic() + 300
    while not list((tmp_path / "healthcare" / step).glob("*/work/*/*")) and time.monotonic() < deadline:
        if list((tmp_path / "healthcare" / step).glob("*/record.json")):
            break
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    done = {p.parts[-3] for p in (tmp_path / "healthcare").glob("*/*/record.json")}
    result = finished(start(models, tmp_path))
    assert {s["step"] for s in result["steps"] if s["skipped"]} == done
    assert {s: contents(tmp_path, s) for s in expected} == expected


def contents(workspace: Path, step: str) -> list[str]:
    return [Artifact(p.parent).content for p in (workspace / "healthcare" / step).glob("*/record.json")]
