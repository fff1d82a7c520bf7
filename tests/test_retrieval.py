"""What is searched is what the last run used, not what was made last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from zoo.artifact import Artifact, Workspace, finish
from zoo.errors import RequestError, ZooError
from zoo.lastrun import Track
from zoo.retrieval import last_ingest

START = datetime(2026, 1, 1, tzinfo=UTC)


def ingested(workspace: Workspace, name: str, hours: int) -> Artifact:
    folder = workspace.step("healthcare", "ingest", name)
    folder.mkdir(parents=True)
    return finish(folder, {"fingerprint": name, "result": {}, "ended": (START + timedelta(hours=hours)).isoformat()})


def run_over(workspace: Workspace, artifact: Artifact | None, skipped: bool = False) -> None:
    track = Track(workspace, "healthcare", "Healthcare", {}, ["ingest"])
    if artifact:
        track.done("ingest", artifact, skipped, 0.0)
    track.ended()


def test_going_back_to_an_earlier_corpus_searches_that_one(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    earlier, later = ingested(workspace, "earlier", 1), ingested(workspace, "later", 2)
    run_over(workspace, later)
    assert last_ingest(workspace, "healthcare").folder == later.folder
    run_over(workspace, earlier, skipped=True)
    assert last_ingest(workspace, "healthcare").folder == earlier.folder


def test_without_an_ingest_of_the_last_run_the_one_finished_last_is_searched(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(RequestError, match="zoo ingest healthcare"):
        last_ingest(workspace, "healthcare")
    earlier, later = ingested(workspace, "earlier", 1), ingested(workspace, "later", 2)
    run_over(workspace, None)
    assert last_ingest(workspace, "healthcare").folder == later.folder
    run_over(workspace, earlier)
    (earlier.folder / "record.json").unlink()
    assert last_ingest(workspace, "healthcare").folder == later.folder


def test_a_damaged_record_of_the_last_run_is_said(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    ingested(workspace, "only", 1)
    run_over(workspace, None)
    (tmp_path / "healthcare" / "run.json").write_text("{")
    with pytest.raises(ZooError, match=r"run\.json is broken"):
        last_ingest(workspace, "healthcare")
