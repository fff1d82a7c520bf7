"""A line of a PDF page, as its characters give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Word(NamedTuple):
    x0: float
    x1: float
    text: str


@dataclass(frozen=True)
class Line:
    """A run of characters on one baseline. Places in points from the page's lower left; `size` is the height of its
    font."""

    text: str
    page: int
    x0: float
    x1: float
    y0: float
    y1: float
    size: float
    bold: bool
    words: tuple[Word, ...] = ()

    @property
    def middle(self) -> float:
        return (self.y0 + self.y1) / 2
