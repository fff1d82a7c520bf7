"""Finds the files of a corpus, and says of each thing that is not an ordinary file why it is not read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from zoo.artifact import digest_file

# Written by systems and tools, never by authors: not worth a line in rejected.jsonl.
_NOISE = {"thumbs.db", "desktop.ini", "__pycache__", "__macosx"}


@dataclass(frozen=True)
class Root:
    """A file or folder that documents of a source are taken from."""

    source: str
    licence: str
    path: Path


@dataclass(frozen=True)
class Found:
    """A file of the corpus. `name` is its path relative to its root, in characters that UTF-8 can write; `problem` is
    why it cannot even be opened ('' if it can)."""

    source: str
    licence: str
    name: str
    path: Path
    size: int = 0
    modified: int = 0
    problem: str = ""

    @property
    def id(self) -> str:
        return f"{self.source}/{self.name}"

    def digest(self) -> str:
        """sha256 of the content; for what cannot be opened, the reason stands in for it."""
        return self.unopened or _digest(self.path, self.size, self.modified)

    @property
    def unopened(self) -> str:
        """Why the file cannot be opened or read to its end; '' if it can."""
        if self.problem:
            return self.problem
        try:
            _digest(self.path, self.size, self.modified)
        except OSError as e:
            return f"unreadable: {e.strerror or e}"
        return ""


@lru_cache(maxsize=200_000)
def _digest(path: Path, size: int, modified: int) -> str:
    return digest_file(path)


def find(roots: Iterable[Root], max_bytes: int) -> tuple[list[Found], int]:
    """Every file under `roots` sorted by source and name, and how many hidden ones were passed over.

    Links to files are followed; a link to a folder is followed unless it leads back into a folder already walked.
    Larger files than `max_bytes`, broken links and special files are in the list with their `problem`.
    """
    roots = list(roots)
    several = {r.source for r in roots if sum(o.source == r.source for o in roots) > 1}
    hidden = 0
    found: list[Found] = []
    for root in roots:
        prefix = f"{root.path.name}/" if root.source in several and root.path.is_dir() else ""
        for path, name, problem in _walk(root.path):
            if problem == "hidden":
                hidden += 1
                continue
            found.append(_look(root, path, prefix + name, problem, max_bytes))
    return sorted(_unique(found), key=lambda f: (f.source, f.name)), hidden


def _walk(root: Path) -> Iterator[tuple[Path, str, str]]:
    """(path, name, problem) of everything under `root`; a root that was named is read even if its own name is
    hidden."""
    if not root.is_dir():
        yield root, _printable(root.name), ""
        return
    stack: list[tuple[Path, str]] = [(root, "")]
    walked = {_identity(root)}
    while stack:
        folder, prefix = stack.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda e: e.name)
        except OSError as e:
            yield folder, prefix.rstrip("/"), f"unreadable: the folder cannot be listed ({e.strerror})"
            continue
        for entry in entries:
            path, name = Path(entry.path), prefix + _printable(entry.name)
            if entry.name.startswith(".") or entry.name.lower() in _NOISE:
                yield path, name, "hidden"
            elif _is_folder(entry):
                if (identity := _identity(path)) in walked:
                    yield path, name, "link loop: it leads to a folder that is read already"
                else:
                    walked.add(identity)
                    stack.append((path, name + "/"))
            else:
                yield path, name, ""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _identity(path: Path) -> tuple[int, int]:
    info = path.stat()
    return info.st_dev, info.st_ino


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


_SPECIAL = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def _look(root: Root, path: Path, name: str, problem: str, max_bytes: int) -> Found:
    found = Found(root.source, root.licence, name, path, problem=problem)
    if problem:
        return found
    try:
        info = path.stat()
    except OSError as e:
        what = "broken link: it leads nowhere or to itself" if path.is_symlink() else f"unreadable: {e.strerror}"
        return replace(found, problem=what)
    for test, kind in _SPECIAL:
        if test(info.st_mode):
            return replace(found, problem=f"special file: it is {kind}, not a document")
    found = replace(found, size=info.st_size, modified=info.st_mtime_ns)
    if info.st_size > max_bytes:
        megabytes, limit = info.st_size / 2**20, max_bytes / 2**20
        return replace(
            found,
            problem=f"too large: {megabytes:.0f} MB, over ingest.max_file_mb={limit:g}; raise it or split the file",
        )
    if not os.access(path, os.R_OK):
        return replace(found, problem="unreadable: permission denied")
    return found


def _unique(found: list[Found]) -> Iterator[Found]:
    """Two roots can hold the same relative name; the later one gets a number, so that ids stay ids."""
    seen: dict[str, int] = {}
    for f in found:
        seen[f.id] = n = seen.get(f.id, 0) + 1
        yield f if n == 1 else replace(f, name=f"{f.name}~{n}")
