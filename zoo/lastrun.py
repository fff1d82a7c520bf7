"""What the last run of a domain asked for, which artifacts it used and how it ended.

<workspace>/<domain>/run.json, kept up to date while the run goes on, so that a run that was killed can be looked at too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

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


class Track:
    """Writes `run.json` as the run goes on."""

    def __init__(
        self, workspace: Workspace, domain: str, title: str, recipe: dict[str, Any], planned: list[str]
    ) -> None:
        self.folder = workspace.root / domain
        self.run = LastRun(domain=domain, title=title, recipe=recipe, planned=planned, started=datetime.now(UTC))
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
    """Raises RequestError where no run of the domain is on record, or the record is damaged."""
    path: Path = workspace.root / domain / FILE
    if not path.is_file():
        raise RequestError(f"No run of {domain} is on record in {workspace.root}; `zoo train {domain}` makes one.")
    try:
        return LastRun.model_validate_json(path.read_bytes())
    except ValidationError as e:
        raise RequestError(f"{path} is damaged; the next run of {domain} writes it anew.") from e
