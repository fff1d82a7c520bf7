"""Training as several processes of a launcher, with real processes over a tiny random model."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.fakes.launcher import free_port, launch, place, torchrun
from tests.fakes.models import tiny_embedder, tiny_weights
from tests.fakes.runs import SMALL as SMALLER
from tests.steps.finetune_job import SMALL, examples, finetune
from zoo import ranks
from zoo.artifact import Artifact
from zoo.errors import RequestError
from zoo.ranks import led, taking_part
from zoo.settings import FinetuneSettings
from zoo.training.shares import divide

# The last batch of an epoch is one row, of which the second process has no share.
UNEVEN = {"batch_rows": 3}
LONG = {"epochs": 40, "checkpoint_every": 3, "validate_every": 4, "patience": 1000, "learning_rate": 1e-3}


def job(folder: Path, changed: dict[str, Any]) -> list[str]:
    return ["-m", "tests.steps.finetune_job", str(folder), *(f"{k}={json.dumps(v)}" for k, v in changed.items())]


def finished(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err


def alone(folder: Path, changed: dict[str, Any]) -> Artifact:
    folder.mkdir()
    return finetune(folder, tiny_weights(folder / "base"), examples(), settings(changed))


def settings(changed: dict[str, Any]) -> FinetuneSettings:
    return SMALL.model_copy(update=changed)


def curve(artifact: Artifact, name: str) -> list[float]:
    rows = [json.loads(line) for line in artifact.path("curve.jsonl").read_text().splitlines()]
    return [r[name] for r in rows if name in r]


def require_the_same(one: Artifact, other: Artifact, steps: float) -> None:
    """Losses and adapters alike to rounding, which grows with the number of steps."""
    assert one.record["fingerprint"] == other.record["fingerprint"]
    for name in ("loss", "validation_loss"):
        assert curve(one, name) == pytest.approx(curve(other, name), abs=1e-5 * steps)
    a, b = (load_file(x.path("adapter/adapter_model.safetensors")) for x in (one, other))
    assert a.keys() == b.keys() and all(float((a[k] - b[k]).abs().max()) < 1e-5 * steps for k in a)
    assert max(float(a[k].abs().max()) for k in a if "lora_B" in k) > 1e-2


def test_two_processes_train_what_one_trains(tmp_path: Path) -> None:
    process = torchrun(job(tmp_path / "two", UNEVEN), 2)
    expected = alone(tmp_path / "one", UNEVEN)
    out, err = finished(process)
    assert len(out.splitlines()) == 1, "rank 0 alone prints"
    assert err.count("2 processes train together, on the CPU") == 1
    found = Artifact(Path(json.loads(out)["artifact"]))
    assert (found.result["processes"], expected.result["processes"]) == (2, 1)
    assert found.result["tokens"] == expected.result["tokens"]
    assert [p.parent.name for p in (tmp_path / "two").rglob("record.json")].count(found.folder.name) == 1
    assert not list(found.folder.rglob("*.part")) and not (found.folder / "work").exists()
    require_the_same(found, expected, 1)


def test_one_process_does_the_work_and_all_return_what_it_returned() -> None:
    code = "import os; from zoo.ranks import led; print(led(lambda: (print('work'), os.getpid())[1]))"
    said = [finished(process)[0].split() for process in launch(["-c", code], 2)]
    assert said[0] == ["work", said[1][0]] and len(said[1]) == 1


def test_shares_are_whole_even_and_the_same_every_time() -> None:
    lengths = [90, 10, 30, 30, 41, 12, 80, 7]
    shares = divide(lengths, 3)
    assert sorted(i for share in shares for i in share) == list(range(len(lengths)))
    loads = [sum(lengths[i] for i in share) for share in shares]
    assert max(loads) - min(loads) <= max(lengths) // 2
    assert divide(lengths, 3) == shares
    assert divide([5], 3) == [[0], [], []] and divide([], 2) == [[], []]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what a launcher would, in a process that has joined none."""
    monkeypatch.setattr(ranks, "_joined", None)
    for name in (*place(0, 1, 0), "ACCELERATE_MIXED_PRECISION", "ACCELERATE_USE_FSDP", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def tell(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return tell


def never() -> None:
    raise AssertionError("this is work, and nothing was to be done")


def test_a_promise_that_cannot_hold_is_refused_before_any_work(told: Callable[..., None]) -> None:
    told(WORLD_SIZE="2")
    with pytest.raises(RequestError, match="promises 2 processes, but RANK is not set"):
        led(never)
    told(WORLD_SIZE="two")
    with pytest.raises(RequestError, match="'two', which is no number"):
        led(never)


def test_processes_that_do_not_come_are_missed(told: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "JOIN", ranks.timedelta(seconds=1))
    told(**place(0, 2, free_port()))
    with pytest.raises(RequestError, match="promised 2 processes, and they did not come together within 1 s"):
        led(never)
    with pytest.raises(RequestError, match="promised 2 processes, and this one runs by itself"):
        taking_part()


def test_accelerate_launch_that_starts_one_of_two_is_refused(told: Callable[..., None]) -> None:
    told(MASTER_ADDR="127.0.0.1", MASTER_PORT="29500", ACCELERATE_MIXED_PRECISION="no", ACCELERATE_USE_CPU="True")
    with pytest.raises(RequestError, match="asked for several processes and has started one"):
        led(never)


def test_a_launcher_that_shards_the_base_is_refused(told: Callable[..., None]) -> None:
    told(**place(0, 2, 1), ACCELERATE_USE_FSDP="true")
    with pytest.raises(RequestError, match="set to FSDP"):
        led(never)


def test_more_processes_than_gpus_are_refused(told: Callable[..., None]) -> None:
    told(**place(1, 2, 1), CUDA_VISIBLE_DEVICES="3")
    with pytest.raises(RequestError, match="names 1 GPUs"):
        led(never)


def checkpoints(folder: Path) -> list[Path]:
    return list(folder.glob("test/finetune/*/work/checkpoints/*/complete.json"))


def reached(process: subprocess.Popen[str], folder: Path, number: int) -> None:
    """Returns once training has left a whole checkpoint of a step not before `number`."""
    deadline = time.monotonic() + 200
    while not any(int(p.parent.name[11:]) >= number for p in checkpoints(folder)):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[1]
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_all_end_with_the_one_that_is_killed(killed: int, tmp_path: Path) -> None:
    processes = launch(job(tmp_path, LONG), 2)
    reached(processes[0], tmp_path, 3)
    processes[killed].kill()
    began = time.monotonic()
    other = processes[1 - killed]
    out, err = other.communicate(timeout=60)
    assert other.returncode == 1 and time.monotonic() - began < 30 and not out
    assert killed == 0 or "Another process of the launcher has ended" in err
    assert not list(tmp_path.glob("test/finetune/*/record.json"))


@pytest.mark.slow
def test_all_end_where_the_step_fails(tmp_path: Path) -> None:
    nan = {"learning_rate": 1e20, "warmup": 0, "validation": 0}
    leader, other = launch(job(tmp_path, nan), 2)
    assert "lower the learning_rate" in leader.communicate(timeout=200)[1] and leader.returncode == 1
    out, err = other.communicate(timeout=30)
    assert other.returncode == 1 and not out and "learning_rate" not in err


@pytest.mark.slow
@pytest.mark.parametrize("first", [1, 2])
def test_a_killed_run_goes_on_with_another_number_of_processes(first: int, tmp_path: Path) -> None:
    changed = {**LONG, "epochs": 4}
    expected = alone(tmp_path / "whole", changed)
    folder = tmp_path / "killed"
    processes = launch(job(folder, {**changed}), first)
    reached(processes[0], folder, 6)
    for process in processes:
        process.kill()
        process.communicate()
    last = launch(job(folder, changed), 3 - first)
    out, err = finished(last[0])
    assert last[-1].wait(30) == 0 and "going on from step" in err
    found = Artifact(Path(json.loads(out)["artifact"]))
    assert found.result["processes"] == 3 - first
    require_the_same(found, expected, 4)


@pytest.mark.slow
def test_the_whole_command_under_torchrun(tmp_path: Path) -> None:
    base, embedder = tiny_weights(tmp_path / "base").folder, tiny_embedder(tmp_path / "embedder")
    small = (
        *SMALLER, f"ingest.embedder={embedder}", "annotate.max_calls=0", "pretrain.max_tokens=3000",
        "steps=[ingest, annotate, pretrain, finetune, evaluate, release]", "finetune.max_tokens=10000",
    )  # fmt: skip
    command = ["-m", "zoo", "train", "medical", "--base", str(base), "--workspace", str(tmp_path / "ws"), "--json"]
    command += [x for s in small for x in ("--set", s)]
    out, err = finished(torchrun(command, 2))
    assert len(out.splitlines()) == 1 and json.loads(out)["version"] == "0.1.0"
    assert err.count("2 processes train together") == 2
    for step in ("pretrain", "finetune"):
        (record,) = (tmp_path / "ws" / "healthcare" / step).glob("*/record.json")
        assert json.loads(record.read_text())["result"]["processes"] == 2
    wrong = torchrun(["-m", "zoo", "train", "medcal", "--workspace", str(tmp_path / "ws")], 2)
    said = wrong.communicate(timeout=120)[1]
    assert wrong.returncode != 0 and said.count("There is no domain 'medcal'") == 1
    assert not os.path.exists(tmp_path / "ws" / "logs")
