"""What has been read so far, one line a file: a run that was killed goes on from here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from zoo.api import Document
from zoo.passages import Block
from zoo.reading.files import Found


class Journal:
    """A file of answers, and in memory only where each lies in it, its digest and its reason if it was rejected."""

    def __init__(self, path: Path) -> None:
        self._known: dict[str, tuple[str, int, str]] = {}  # id -> (sha256, offset, reason)
        path.touch()
        self._file = path.open("r+b")
        self._load()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _load(self) -> None:
        offset = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break  # a kill in the middle of a line
            row = json.loads(line)
            self._known[row["id"]] = (row["sha256"], offset, row.get("rejected", ""))
            offset += len(line)
        self._file.truncate(offset)

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def has(self, name: str, sha256: str) -> bool:
        return name in self._known and self._known[name][0] == sha256

    def note(self, name: str, sha256: str, answer: dict[str, Any]) -> None:
        """Appends an answer; the last one about a file is the one that counts."""
        offset = self._file.seek(0, 2)
        self._file.write(json.dumps({"id": name, "sha256": sha256, **answer}).encode() + b"\n")
        self._file.flush()
        self._known[name] = (sha256, offset, answer.get("rejected", ""))

    def reason(self, name: str) -> str:
        """Why the file was not read; '' if it was."""
        return self._known[name][2]

    def _row(self, name: str) -> dict[str, Any]:
        self._file.seek(self._known[name][1])
        return dict(json.loads(self._file.readline()))

    def signatures(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """(id, signature) of those that were read, in the order given."""
        for name in names:
            if not self.reason(name):
                yield name, self._row(name)["signature"]

    def document(self, found: Found) -> Document:
        row = self._row(found.id)
        meta = {"title": row["title"], **row["meta"]}
        return Document(
            id=found.id, path=found.name, text=row["text"], source=found.source, licence=found.licence, meta=meta
        )  # fmt: skip

    def blocks(self, name: str) -> list[Block]:
        return [Block(kind, start, end, level, page) for kind, start, end, level, page in self._row(name)["blocks"]]
