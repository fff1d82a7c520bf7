"""Rows that come in any order, kept in a file until they can be written in theirs."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel


class Spill:
    """Rows by number as JSON lines of a file that goes with it; in memory is only where each lies, eight bytes a row."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("w+b")
        self._places = array("q")
        self._end = 0

    def close(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def put(self, number: int, row: BaseModel) -> None:
        line = row.model_dump_json().encode() + b"\n"
        while len(self._places) <= number:
            self._places.append(-1)
        self._places[number] = self._end
        self._file.seek(self._end)
        self._end += self._file.write(line)

    def line(self, number: int) -> bytes:
        """The row of that number as a JSON line."""
        self._file.seek(self._places[number])
        return self._file.readline()

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """(number, JSON line) of every row there is, in the order of numbers."""
        for number, place in enumerate(self._places):
            if place >= 0:
                yield number, self.line(number)
