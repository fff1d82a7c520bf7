"""A step's log: all that it said, with times, over kills; no path and no secret of this machine."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.steps.finetune_job import DOMAIN
from zoo.artifact import Artifact, Workspace
from zoo.config import Options
from zoo.console import progress, say
from zoo.errors import ZooError
from zoo.library import Domain
from zoo.run import Job, Run, Step, run_step
from zoo.settings import Recipe

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (.*)")


def ran(root: Path, work: Callable[[Job], Any]) -> Artifact:
    """What a step leaves that does `work`."""

    def run(job: Job) -> dict[str, Any]:
        work(job)
        return {}

    step = Step("ingest", 1, (), lambda run: None, lambda run: {}, lambda run, inputs: {}, run)
    recipe = Recipe(name="test", base="none", steps=["ingest"])
    request = Run(Domain(root, DOMAIN, "zoo.domains.test"), recipe, Options(workspace=root), Workspace(root))
    return run_step(request, step, {})[0]


def lines(root: Path) -> list[str]:
    (log,) = root.glob("test/ingest/*/ingest.log")
    matched = [LINE.fullmatch(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert all(matched)
    return [m[1] for m in matched if m]


def test_what_a_step_says_stands_in_its_log_and_in_no_other(tmp_path, capsys):
    def work(job: Job) -> None:
        say("  two\n  lines")
        with progress("files read", 2) as bar:
            bar.advance(2)
        warnings.warn("the file is odd", UserWarning, stacklevel=1)
        logging.getLogger("some.library").warning("slow %s", "disk")
        logging.getLogger("some.library").info("chatter")
        logging.getLogger("datasets.load").warning("an old set")

    say("before")
    artifact = ran(tmp_path, work)
    say("after")
    first, *said, last = lines(tmp_path)
    assert re.fullmatch(r"ingest: [0-9a-f]{16}", first) and re.fullmatch(r"ingest: done in \d+ s", last)
    assert said[:2] == ["  two", "  lines"] and said[2].startswith("  files read: 2 of 2 in ")
    assert said[3:] == [
        "  warning: UserWarning: the file is odd",
        "  warning: some.library: slow disk",
        "  warning: datasets.load: an old set",
    ]
    assert artifact.changed_files() == [] and "ingest.log" in artifact.record["files"]
    assert last in capsys.readouterr().err


def test_a_run_that_ended_early_says_why_and_the_next_goes_on_behind_it(tmp_path):
    def fail(job: Job) -> None:
        say("  first try")
        raise ZooError("The teacher is gone.")

    def kill(job: Job) -> None:
        raise KeyboardInterrupt

    with pytest.raises(ZooError):
        ran(tmp_path, fail)
    with pytest.raises(KeyboardInterrupt):
        ran(tmp_path, kill)
    (log,) = tmp_path.glob("test/ingest/*/ingest.log")
    with log.open("a", encoding="utf-8") as f:
        f.write("2026-01-01T00:00:00Z   cut off by a ki")
    ran(tmp_path, lambda job: say("  last try"))
    said = lines(tmp_path)
    assert said[1:3] == ["  first try", "ingest: failed: The teacher is gone."]
    assert said[3].endswith(", going on after an earlier run") and said[4:6] == [
        "ingest: interrupted",
        "  cut off by a ki",
    ]
    assert said[6].endswith(", going on after an earlier run") and said[7] == "  last try"


def test_no_path_of_this_machine_and_no_secret_reaches_it(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("HF_TOKEN", "none")

    def work(job: Job) -> None:
        say(f"  see {job.folder / 'rejected.jsonl'}, and '/home/someone/corpus/a b.pdf'")
        say("  the key sk-very-secret, none of it, at https://me:pa55@host.example/v1/models")
        say("  10 mg/kg/day, 1/2 and /etc alone")

    ran(tmp_path, work)
    said = lines(tmp_path)
    assert re.fullmatch(r"  see <workspace>/test/ingest/[0-9a-f]{16}/rejected.jsonl, and 'a b.pdf'", said[1])
    assert said[2] == "  the key ***, none of it, at https://host.example/v1/models"
    assert said[3] == "  10 mg/kg/day, 1/2 and /etc alone"
    assert str(tmp_path) not in "\n".join(said)


def test_logs_and_events_make_no_other_content(tmp_path):
    def leave(text: str) -> Callable[[Job], None]:
        def work(job: Job) -> None:
            say(text)
            (job.folder / "tensorboard").mkdir()
            (job.folder / "tensorboard" / f"events.out.tfevents.{len(text)}").write_text(text)
            (job.folder / "rows.jsonl").write_text("{}\n")

        return work

    one, two = ran(tmp_path / "one", leave("fast")), ran(tmp_path / "two", leave("slowly"))
    assert one.content == two.content
    assert len(one.record["files"]) == 3


def test_libraries_warn_as_before_once_a_step_is_done(tmp_path):
    before = warnings.showwarning, list(logging.getLogger().handlers)
    ran(tmp_path, lambda job: None)
    assert (warnings.showwarning, logging.getLogger().handlers) == before
    assert os.listdir(tmp_path / "test") == ["ingest"]
