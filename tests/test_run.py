"""The runner, with toy steps: order, skipping, damage, kills, locks."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zoo import run as runs
from zoo.config import Options
from zoo.errors import ReleaseRefused, RequestError, ZooError
from zoo.run import Job, Run, Step
from zoo.steps.release import place


class Toy:
    """Steps that write one file, count how often they ran, and may be told to fail."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.failing = self.refusing = self.stopping = ""
        self.identities: dict[str, Any] = {}

    def step(self, name: str) -> Step:
        needs = runs.STEPS[: runs.STEPS.index(name)]
        return Step(
            name=name, version=1, needs=needs, check=lambda run: None,
            identity=lambda run: {"toy": self.identities.get(name, 0)},
            plan=lambda run, inputs: {"calls": 3}, run=lambda job: self.work(job),
        )  # fmt: skip

    def work(self, job: Job) -> dict[str, Any]:
        self.ran.append(job.step.name)
        (job.work / "progress").write_text("half")
        if self.failing == job.step.name:
            raise ZooError("told to fail")
        if self.refusing == job.step.name:
            raise ReleaseRefused("told to refuse", {"gate": "refused"})
        (job.folder / "out.txt").write_text(f"{job.step.name} from {sorted(job.inputs)} {self.identities}")
        stopped = {"stopped": "enough"} if self.stopping == job.step.name else {}
        return {"n": 1, "files": {"out": "out.txt"}, "items": "out.txt", "folder": ".", **stopped}


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    toy = Toy()
    monkeypatch.setattr(runs, "load_step", toy.step)
    return toy


def request(tmp_path: Path, until: str | None = None, **options: Any) -> Run:
    return runs.prepare("medical", Options(workspace=tmp_path / "ws", **options), until)


def test_steps_run_once_in_order_and_are_skipped_after(toy, tmp_path):
    first = runs.train(request(tmp_path))
    again = runs.train(request(tmp_path))
    assert toy.ran == request(tmp_path).recipe.steps
    assert [s["skipped"] for s in first["steps"]] == [False] * 6
    assert [s["skipped"] for s in again["steps"]] == [True] * 6
    assert first["artifact"] == again["artifact"]
    assert again["n"] == 1


def test_a_step_that_stopped_at_its_budget_says_so_in_its_entry(toy, tmp_path):
    toy.stopping = "annotate"
    for _ in range(2):
        result = runs.train(request(tmp_path, "finetune"))
        assert [s.get("stopped") for s in result["steps"]] == [None, "enough", None, None]
        assert "stopped" not in result


def test_a_refused_release_says_what_was_done_before_it(toy, tmp_path):
    toy.refusing = "release"
    with pytest.raises(ReleaseRefused) as refused:
        runs.train(request(tmp_path))
    result = refused.value.result
    assert [s["step"] for s in result["steps"]] == request(tmp_path).recipe.steps
    assert all(s["seconds"] >= 0 for s in result["steps"])
    assert (result["gate"], result["artifact"], result["skipped"]) == ("refused", None, False)


def test_until_stops_after_a_step(toy, tmp_path):
    assert [s["step"] for s in runs.train(request(tmp_path, "annotate"))["steps"]] == ["ingest", "annotate"]


def test_until_names_a_step_of_the_recipe(toy, tmp_path):
    with pytest.raises(RequestError, match="no step of recipe laptop 'anotate'; did you mean 'annotate'"):
        request(tmp_path, "anotate")


def test_a_changed_identity_reruns_that_step_and_what_follows_if_its_content_changed(toy, tmp_path):
    runs.train(request(tmp_path))
    toy.ran.clear()
    toy.identities["finetune"] = 1
    runs.train(request(tmp_path))
    assert toy.ran == ["finetune", "evaluate", "release"]


def test_a_runtime_setting_reruns_nothing(toy, tmp_path):
    runs.train(request(tmp_path))
    toy.ran.clear()
    runs.train(request(tmp_path, settings=("annotate.concurrency=3",)))
    assert toy.ran == []
    runs.train(request(tmp_path, settings=("annotate.temperature=0.1",)))
    assert toy.ran[0] == "annotate"


def test_a_step_that_failed_leaves_no_artifact_but_its_work(toy, tmp_path):
    toy.failing = "annotate"
    with pytest.raises(ZooError):
        runs.train(request(tmp_path))
    folder = next((tmp_path / "ws" / "healthcare" / "annotate").iterdir())
    assert not (folder / "record.json").exists()
    assert (folder / "work" / "progress").read_text() == "half"
    toy.failing = ""
    toy.ran.clear()
    runs.train(request(tmp_path))
    assert toy.ran == ["annotate", "pretrain", "finetune", "evaluate", "release"]
    assert not (folder / "work").exists()


def test_a_file_that_went_missing_reruns_the_step(toy, tmp_path):
    result = runs.train(request(tmp_path, "ingest"))
    (Path(result["artifact"]) / "out.txt").unlink()
    toy.ran.clear()
    assert runs.train(request(tmp_path, "ingest"))["skipped"] is False
    assert toy.ran == ["ingest"]


@pytest.mark.parametrize("broken", ["", "{", "[]", "{}", "\xff"])
def test_a_step_whose_record_is_broken_is_run_again(toy, tmp_path, broken):
    result = runs.train(request(tmp_path, "ingest"))
    (Path(result["artifact"]) / "record.json").write_bytes(broken.encode("latin-1"))
    toy.ran.clear()
    assert runs.train(request(tmp_path, "ingest"))["skipped"] is False
    assert toy.ran == ["ingest"]


def test_a_workspace_that_was_moved_prints_its_own_places(toy, tmp_path):
    runs.train(request(tmp_path))
    (tmp_path / "ws").rename(tmp_path / "moved")
    result = runs.train(runs.prepare("medical", Options(workspace=tmp_path / "moved")))
    artifact = Path(result["artifact"])
    assert all(s["skipped"] for s in result["steps"]) and artifact.is_relative_to(tmp_path / "moved")
    assert result["files"] == {"out": str(artifact / "out.txt")} and result["items"] == str(artifact / "out.txt")
    assert result["folder"] == str(artifact)
    assert str(tmp_path) not in (artifact / "record.json").read_text()


def test_two_processes_never_work_in_one_folder(toy, tmp_path, monkeypatch):
    run = request(tmp_path)
    step = toy.step("ingest")

    def enter_again(job: Job) -> dict[str, Any]:
        with pytest.raises(ZooError, match="Another zoo process"):
            runs.run_step(run, toy.step("ingest"), {})
        return {}

    runs.run_step(run, replace(step, run=enter_again), {})


def test_a_process_that_waited_for_another_takes_what_that_one_made(toy, tmp_path):
    run, working, go_on = request(tmp_path), threading.Event(), threading.Event()

    def slowly(job: Job) -> dict[str, Any]:
        working.set()
        go_on.wait(20)
        return toy.work(job)

    slow = replace(toy.step("ingest"), run=slowly)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(runs.run_step, run, slow, {})
        assert working.wait(20)
        second = pool.submit(runs.run_step, run, toy.step("ingest"), {})
        time.sleep(0.3)
        go_on.set()
        assert [first.result()[1], second.result()[1]] == [False, True]
    assert toy.ran == ["ingest"]
    assert not (second.result()[0].folder / "work").exists()


def test_two_releases_at_one_time_are_two_versions(toy, tmp_path):
    run, working, go_on = request(tmp_path), threading.Event(), threading.Event()

    def release(content: str) -> Step:
        def write(job: Job) -> dict[str, Any]:
            if content == "one":
                working.set()
                go_on.wait(20)
            (job.folder / "out.txt").write_text(content)
            return {}

        return replace(toy.step("release"), folder=place, identity=lambda run: {"content": content}, run=write)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(runs.run_step, run, release("one"), {})
        assert working.wait(20)
        second = pool.submit(runs.run_step, run, release("two"), {})
        time.sleep(0.3)
        go_on.set()
        made = {f.result()[0].folder.name: f.result()[0].path("out.txt").read_text() for f in (first, second)}
    assert made == {"0.1.0": "one", "0.2.0": "two"}
    assert not list((tmp_path / "ws").rglob("work"))


@pytest.mark.parametrize("option", ["recipe", "base", "teacher_url", "teacher_model"])
def test_an_empty_option_is_refused(toy, tmp_path, option):
    with pytest.raises(RequestError, match=f"--{option.replace('_', '-')} is empty"):
        request(tmp_path, **{option: ""})


def test_the_plan_knows_what_is_cached_and_spends_nothing(toy, tmp_path):
    run = request(tmp_path)
    before = runs.plan(run)
    assert [e["cached"] for e in before] == [False] * 6
    assert before[0]["fingerprint"] and before[1]["fingerprint"] is None
    assert before[1]["calls"] == 3
    assert not (tmp_path / "ws").exists()
    runs.train(replace(run, until="annotate"))
    assert [e["cached"] for e in runs.plan(run)] == [True, True, False, False, False, False]


def test_the_record_says_what_a_reader_needs(toy, tmp_path):
    artifact = Path(runs.train(request(tmp_path, "annotate", seed=5))["artifact"])
    record = json.loads((artifact / "record.json").read_text())
    assert record["seed"] == 5
    assert record["inputs"]["ingest"]["content"]
    assert record["packages"]["srm-zoo"]
    assert record["files"]["out.txt"]["sha256"]
    assert record["peak_memory_mb"] > 0 and record["peak_memory_of"] in {"step", "process so far"}
    assert str(tmp_path) not in json.dumps(record["identity"])


def test_a_recipe_out_of_order_is_refused(toy, tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("base: x\nsteps: [annotate, ingest]\n")
    with pytest.raises(RequestError, match="out of order"):
        request(tmp_path, recipe=str(recipe))
