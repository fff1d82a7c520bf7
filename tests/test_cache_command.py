"""`zoo cache` as a user meets it, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.teacher import Reply, serving
from zoo.artifact import Workspace
from zoo.lock import locked
from zoo.teachers import Answer
from zoo.teachers.cache import Cache
from zoo.teachers.store import Selection
from zoo.weights.folder import FOUND

ROOT = Path(__file__).resolve().parents[1]
HERE, THERE = "http://here:1/v1", "http://there:1/v1"


def zoo(workspace: Path, *args: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"
    command = [sys.executable, "-c", code, "cache", "--workspace", str(workspace), *args]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def told(workspace: Path, *args: str) -> dict[str, Any]:
    done = zoo(workspace, *args, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def folder(path: Path, megabytes: float) -> Path:
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"\0" * int(megabytes * 1e6))
    (path / FOUND).write_text("{}")
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """600 answers of three kinds, two models and a dataset."""
    place = Workspace(tmp_path / "ws")
    cache = Cache(place.answers)
    for n in range(600):
        domain, model, at = (
            ("healthcare", "large", HERE), ("healthcare", "small", THERE), ("finance", "large", HERE),
        )[n % 3]  # fmt: skip
        cache.put(str(n), model, Answer("words " * 500, "stop", 30, 7, place=at, batched=n % 2 == 0), domain, at)
    cache.close()
    folder(place.cache / "base" / "ORG--one", 2)
    folder(place.cache / "base" / ".ORG--one.part" / "model", 1)
    folder(place.cache / "embedder" / "ORG--two", 0.5)
    folder(place.cache / "datasets" / "ORG___three", 0.25)
    folder(place.cache / "gguf", 0.75)
    return place.root


def left(workspace: Path) -> list[tuple[str, str, int]]:
    return [(a["domain"], a["model"], a["answers"]) for a in told(workspace)["answers"]]


def test_it_shows_answers_by_domain_model_and_place_and_weights_by_name(workspace: Path) -> None:
    shown = told(workspace)
    assert [(a["domain"], a["model"], a["place"], a["answers"]) for a in shown["answers"]] == [
        ("finance", "large", HERE, 200), ("healthcare", "large", HERE, 200), ("healthcare", "small", THERE, 200),
    ]  # fmt: skip
    for row in shown["answers"]:
        assert (row["tokens_in"], row["tokens_out"], row["batched"]) == (6000, 1400, 100)
        assert 0.6 <= row["mb"] <= 0.7 and row["first"] == row["last"] > "2025"
    assert [(w["name"], w["kind"], w["mb"]) for w in shown["weights"]] == [
        ("ORG/one", "base model", 3.0), ("ORG/two", "sentence embedder", 0.5), ("datasets", "datasets of the Hub", 0.3),
        ("gguf", "weights written for llama.cpp", 0.8),
    ]  # fmt: skip
    files = sum(p.stat().st_size for p in (workspace / "cache").rglob("*") if p.is_file())
    assert abs(shown["mb"] - files / 1e6) < 0.2
    table = zoo(workspace)
    assert [HERE in line and "6,000" in line for line in table.stdout.splitlines()].count(True) == 2
    assert f"MB in {workspace / 'cache'} in all" in table.stderr


def test_selectors_show_what_the_same_ones_would_drop(workspace: Path) -> None:
    chosen = told(workspace, "--domain", "medical", "--model", "large")
    assert [(a["domain"], a["model"]) for a in chosen["answers"]] == [("healthcare", "large")] and not chosen["weights"]
    assert told(workspace, "--weights", "ORG/two")["answers"] == []
    dropped = told(workspace, "--domain", "medical", "--model", "large", "--drop")["dropped"]
    assert dropped == {k: chosen[k] for k in ("answers", "weights")}
    assert left(workspace) == [("finance", "large", 200), ("healthcare", "small", 200)]


def test_the_file_shrinks_by_what_is_dropped_and_the_rest_stays(workspace: Path) -> None:
    path = Workspace(workspace).answers
    before = path.stat().st_size
    done = zoo(workspace, "--place", HERE, "--drop")
    assert done.returncode == 0 and "dropped; 1" in done.stderr
    assert path.stat().st_size < 0.45 * before
    cache = Cache(path)
    assert [cache.get(str(n)) is not None for n in range(600)] == [n % 3 == 1 for n in range(600)]
    cache.close()


def test_answers_from_before_a_day(workspace: Path) -> None:
    assert told(workspace, "--before", "2025-01-01", "--drop")["dropped"]["answers"] == []
    assert len(left(workspace)) == 3
    assert len(told(workspace, "--before", "2999-01-01", "--drop")["dropped"]["answers"]) == 3
    assert left(workspace) == []


def test_weights_and_data_by_name_then_all(workspace: Path) -> None:
    place = Workspace(workspace)
    assert told(workspace, "--weights", "ORG/one", "--weights", "datasets", "--weights", "gguf", "--drop")["mb"] < 3.5
    assert not list((place.cache / "base").iterdir())
    assert not (place.cache / "datasets").exists() and not (place.cache / "gguf").exists()
    assert len(left(workspace)) == 3
    (place.cache / "notes").mkdir()
    (place.cache / "notes" / "of_something_else").write_text("stays")
    everything = told(workspace, "--all", "--drop")
    assert len(everything["dropped"]["answers"]) == 3 and everything["mb"] <= 0.1
    assert (place.cache / "notes" / "of_something_else").exists()
    assert told(workspace)["answers"] == told(workspace)["weights"] == []


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--drop"], "--drop needs to know what"),
        (["--drop", "--all", "--model", "large"], "--all means everything"),
        (["--drop", "--domain", "helthcare"], "did you mean 'healthcare'?"),
        (["--model", "larg"], "did you mean 'large'?"),
        (["--drop", "--place", "http://hare:1/v1"], f"did you mean '{HERE}'?"),
        (["--drop", "--weights", "org/ome"], "did you mean 'ORG/one'?"),
        (["--drop", "--before", "yesterday"], "'yesterday' is no day"),
    ],
)
def test_a_wrong_selection_is_refused_and_drops_nothing(workspace: Path, args: list[str], expected: str) -> None:
    done = zoo(workspace, *args)
    assert done.returncode == 2 and expected in done.stderr and len(done.stderr.splitlines()) == 1
    assert len(left(workspace)) == 3


def test_nothing_is_made_where_there_is_no_cache(tmp_path: Path) -> None:
    assert told(tmp_path / "ws") == {"answers": [], "weights": [], "mb": 0.0}
    assert zoo(tmp_path / "ws", "--all", "--drop").returncode == 0
    done = zoo(tmp_path / "ws", "--drop", "--domain", "healthcare")
    assert done.returncode == 2 and "known: none" in done.stderr
    assert not (tmp_path / "ws").exists()


def test_a_file_that_is_no_cache_is_one_sentence(tmp_path: Path) -> None:
    path = Workspace(tmp_path).answers
    path.parent.mkdir()
    path.write_bytes(b"nothing" * 1000)
    done = zoo(tmp_path)
    assert done.returncode == 1 and "cannot be opened" in done.stderr and len(done.stderr.splitlines()) == 1


def test_what_a_running_process_asks_or_works_with_is_left_to_it(workspace: Path) -> None:
    place = Workspace(workspace)
    with serving(lambda b, n: Reply("x", delay=60)) as server:
        command = [sys.executable, "-m", "tests.teachers.ask_job", str(place.answers), server.url, "1"]
        asking = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert asking.stdin and asking.stdout and asking.stdout.readline() == "ready\n"
        cache = Cache(place.answers)
        cache.put("own", "m", Answer("x", "stop"), "pharmacy", HERE)
        cache.close()
        asking.stdin.write("go\n")
        asking.stdin.flush()
        while not server.log:
            assert asking.poll() is None
        for args in (("--model", "m"), ("--all",)):
            done = zoo(workspace, *args, "--drop")
            assert done.returncode == 1 and "A running zoo process asks m, so nothing was dropped" in done.stderr
        assert told(workspace, "--model", "large", "--drop")["dropped"]["answers"]
        asking.kill()
        asking.communicate()
    assert zoo(workspace, "--model", "m", "--drop").returncode == 0
    work = locked(workspace / "healthcare" / "finetune" / "0123" / "work" / "lock", wait=False)
    assert work
    with work:
        done = zoo(workspace, "--weights", "ORG/one", "--drop")
        assert done.returncode == 1 and "working in" in done.stderr
        assert zoo(workspace, "--model", "small", "--drop").returncode == 0
    making = locked(place.cache / "base" / ".ORG--one.part" / "lock", wait=False)
    assert making
    with making:
        assert zoo(workspace, "--weights", "ORG/one", "--drop").returncode == 1
    assert zoo(workspace, "--weights", "ORG/one", "--drop").returncode == 0
    assert [w["name"] for w in told(workspace)["weights"]] == ["ORG/two", "datasets", "gguf"]


def test_a_drop_lets_others_write_meanwhile(workspace: Path) -> None:
    path = Workspace(workspace).answers
    writer = Cache(path)
    dropping = subprocess.Popen(
        [sys.executable, "-c", "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()", "cache", "--workspace",
         str(workspace), "--model", "large", "--drop"],
    )  # fmt: skip
    n = 0
    while dropping.poll() is None:
        writer.put(f"new {n}", "new", Answer("x", "stop"))
        n += 1
    assert dropping.returncode == 0
    assert {c.model: c.answers for c in writer.counts(Selection())} == {"small": 200, "new": n}
    writer.close()
