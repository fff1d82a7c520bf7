"""Which document is meant, and in which ingest artifacts of a domain it lies."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from zoo.api import Document
from zoo.artifact import Artifact, Workspace, digest_file
from zoo.errors import RequestError
from zoo.lineage.forgotten import Forgotten, Register
from zoo.minhash import words_digest

_LISTED = 20  # names in an error


@dataclass(frozen=True)
class Entry:
    """A document as one ingest artifact has it: its file's digest and that of its words."""

    ingest: Artifact
    id: str
    path: str
    file: str
    words: str

    @property
    def version(self) -> tuple[str, str, str]:
        return self.id, self.file, self.words


@dataclass(frozen=True)
class Target:
    """A document in all its versions, and copies of those under other names: `entries` are where they lie."""

    id: str
    entries: list[Entry]

    @property
    def ids(self) -> set[str]:
        return {e.id for e in self.entries} | {self.id}

    @property
    def files(self) -> set[str]:
        return {e.file for e in self.entries if e.file}

    @property
    def words(self) -> set[str]:
        return {e.words for e in self.entries}

    def folders(self) -> set[Path]:
        return {e.ingest.folder for e in self.entries}

    def has(self, document: Document) -> bool:
        """Whether it is this one, or a copy of it."""
        return (
            document.id in self.ids
            or document.meta.get("sha256") in self.files
            or words_digest(document.text) in self.words
        )


def ingests(workspace: Workspace, domain: str) -> Iterator[Artifact]:
    """The finished ingest artifacts of the domain."""
    for record in sorted((workspace.root / domain / "ingest").glob("*/record.json")):
        yield Artifact(record.parent)


def entries(workspace: Workspace, domain: str) -> list[Entry]:
    """Every document of every ingest artifact."""
    return [
        Entry(ingest, d.id, d.path, str(d.meta.get("sha256", "")), words_digest(d.text))
        for ingest in ingests(workspace, domain)
        for d in ingest.rows("documents.jsonl", Document)
    ]


def find(known: list[Entry], forgotten: Register, domain: str, name: str) -> Target:
    """The document that `name` means: an id, a path or a file's name. One without entries is forgotten already.

    Raises RequestError with the nearest name where there is none, and with their ids where there are several.
    """
    ids = {e.id for e in _called(known, name)}
    if not ids:
        return _forgotten(known, forgotten, domain, name)
    if len(ids) > 1:
        raise RequestError(f"{len(ids)} documents of {domain} are called {name!r}; name one: {_list(ids)}.")
    (id_,) = ids
    own = [e for e in known if e.id == id_]
    files, words = {e.file for e in own if e.file}, {e.words for e in own}
    return Target(id_, [e for e in known if e.id == id_ or e.file in files or e.words in words])


def _called(known: list[Entry], name: str) -> list[Entry]:
    """By its id, else by the content of the file that lies there, else by its path, else by its file's name."""
    if found := [e for e in known if e.id == name]:
        return found
    path = Path(name).expanduser()
    if path.is_file():
        digest = digest_file(path)
        if found := [e for e in known if e.file == digest]:
            same = [e for e in found if f"/{path.as_posix()}".endswith(f"/{e.path}")]
            return same or found
    if "/" in name and (found := [e for e in known if f"/{name}".endswith(f"/{e.path}")]):
        longest = max(len(e.path) for e in found)
        return [e for e in found if len(e.path) == longest]
    return [e for e in known if PurePosixPath(e.path).name == name]


def _forgotten(known: list[Entry], forgotten: Register, domain: str, name: str) -> Target:
    rows: list[Forgotten] = [r for r in forgotten.rows if name in (r.id, r.name) or name.endswith(f"/{r.name}")]
    ids = {r.id for r in rows}
    if len(ids) == 1:
        return Target(ids.pop(), [])
    if ids:
        raise RequestError(f"{len(ids)} forgotten documents of {domain} are called {name!r}: {_list(ids)}.")
    names = {n for e in known for n in (e.id, PurePosixPath(e.path).name)}
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if not known:
        hint = "this workspace has none of its documents."
    else:
        hint = f"did you mean {close[0]!r}?" if close else f"known: {_list({e.id for e in known})}."
    raise RequestError(f"There is no document of {domain} {name!r}; {hint}")


def _list(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - _LISTED} more" if len(ordered) > _LISTED else ""
    return ", ".join(ordered[:_LISTED]) + more
