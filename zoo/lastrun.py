"""What the last run of a domain asked for, which artifacts it used and how it ended.

<workspace>/<domain>/run.json, kept up to date while the run goes on, so that a run that was killed can be looked at too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from zoo.artifact import Artifact, Workspace, write_atomic
from zoo.errors import ReleaseRefused, RequestError, ZooError

FILE = "run.json"


class Done(BaseModel):
    """A step that the run has behind it. `artifact` is relative to the domain's folder in the workspace; `seconds` is
    what the step took in this run, next to nothing where it was skipped."""

    step: str
    artifact: str
    skipped: bool
    seconds: float


class Request(BaseModel):
    """What was asked for beside the recipe, with paths in full, so that it can be asked for again from any folder. The
    teacher is the one that was meant, whatever the environment says later; its address is without what secrets stand in,
    and `keyed` where it had some."""

    until: str | None = None
    corpus: list[Path] = []
    sources: dict[str, Path] = {}
    suites: list[str] = []
    suite_data: dict[str, Path] = {}
    base: str | None = None
    teacher_url: str | None = None
    teacher_model: str | None = None
    keyed: bool = False
    offline: bool = False
    domain_path: list[Path] = []


class LastRun(BaseModel):
    """`failed` names the step that raised `error`; `refused` is what the release step printed where it said no."""

    domain: str
    title: str
    recipe: dict[str, Any]
    planned: list[str]
    started: datetime
    ended: datetime | None = None
    steps: list[Done] = []
    failed: str = ""
    error: str = ""
    refused: dict[str, Any] | None = None
    request: Request | None = None  # None where an older zoo ran it


class Track:
    """Writes `run.json` as the run goes on."""

    def __init__(
        self, workspace: Workspace, domain: str, title: str, recipe: dict[str, Any], planned: list[str],
        request: Request | None = None,
    ) -> None:  # fmt: skip
        self.folder = workspace.root / domain
        self.run = LastRun(
            domain=domain, title=title, recipe=recipe, planned=planned, started=datetime.now(UTC), request=request
        )
        self._write()

    def done(self, step: str, artifact: Artifact, skipped: bool, seconds: float) -> None:
        place = artifact.folder.relative_to(self.folder).as_posix()
        self.run.steps.append(Done(step=step, artifact=place, skipped=skipped, seconds=seconds))
        self._write()

    def failed(self, step: str, error: ZooError) -> None:
        self.run.failed, self.run.error = step, str(error)
        self.run.refused = error.result if isinstance(error, ReleaseRefused) else None
        self.ended()

    def ended(self) -> None:
        self.run.ended = datetime.now(UTC)
        self._write()

    def _write(self) -> None:
        write_atomic(self.folder / FILE, self.run.model_dump_json(indent=2) + "\n")


def read_last(workspace: Workspace, domain: str) -> LastRun:
    """Raises RequestError where no run of the domain is on record, ZooError where the record is broken."""
    path: Path = workspace.root / domain / FILE
    if not path.is_file():
        raise RequestError(f"No run of {domain} is on record in {workspace.root}; `zoo train {domain}` makes one.")
    try:
        return LastRun.model_validate_json(path.read_bytes())
    except ValueError as e:
        raise ZooError(f"{path} is broken; `zoo train {domain}` writes it anew, with nothing done twice.") from e
