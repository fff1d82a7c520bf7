"""The documents that a domain was told to forget: by what they are, never by what they say.

<workspace>/<domain>/forgotten.jsonl
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from zoo.api import Row
from zoo.artifact import Workspace, canonical, digest_text, read_rows, write_rows
from zoo.errors import ZooError

FILE = "forgotten.jsonl"
REASON = "forgotten"


class Forgotten(Row):
    """A version of a document. `file` is the digest of the file, `text` that of its words (see minhash.py), `at` the day
    and time (UTC). `releases` are the versions that rest on it. `done` once nothing holds it any more and what rested on
    it is made anew."""

    id: str
    file: str
    text: str
    at: str
    releases: tuple[str, ...] = ()
    done: bool = False

    @property
    def name(self) -> str:
        return PurePosixPath(self.id).name


@dataclass(frozen=True)
class Register:
    """What is forgotten of a domain."""

    rows: list[Forgotten]

    @cached_property
    def files(self) -> set[str]:
        return {r.file for r in self.rows if r.file}

    @cached_property
    def texts(self) -> set[str]:
        return {r.text for r in self.rows}

    @cached_property
    def names(self) -> set[str]:
        """The names of the files, without their folders, as seeds cite them."""
        return {r.name for r in self.rows}

    def identity(self) -> dict[str, str]:
        """What decides what a step leaves out; nothing while nothing is forgotten."""
        known = sorted({(r.id, r.file, r.text) for r in self.rows})
        return {"forgotten": digest_text(canonical([list(k) for k in known]))} if known else {}


def register(workspace: Workspace, domain: str) -> Register:
    """Raises ZooError for a file that nobody wrote as it stands."""
    path = workspace.root / domain / FILE
    try:
        return Register(list(read_rows(path, Forgotten)) if path.is_file() else [])
    except ValueError as e:
        raise ZooError(
            f"{path} cannot be read, and without it documents that were forgotten would come back; mend its lines."
        ) from e


def note(workspace: Workspace, domain: str, rows: Iterable[Forgotten]) -> None:
    """Adds rows to the list; a version that stands there is replaced."""
    known = {(r.id, r.file, r.text): r for r in register(workspace, domain).rows}
    known |= {(r.id, r.file, r.text): r for r in rows}
    write_rows(workspace.root / domain / FILE, known.values())
