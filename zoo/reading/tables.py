"""Tables as text: one row a line, cells separated by ' | ', every row legible without the rest of the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from zoo.api import Element
from zoo.reading.text import one_line

# A table this long is likely to be split between passages; then each row names its columns itself.
LONG_CHARS = 900


def table(rows: Iterable[Sequence[str]], page: int | None = None, header: bool | None = None) -> Element | None:
    """A table element; None if nothing is in it. `header`: whether the first row names the columns (None: judged by
    look)."""
    kept = [cells for row in rows if any(cells := [one_line(c).replace("|", "/") for c in row])]
    if not kept:
        return None
    width = max(len(r) for r in kept)
    kept = _without_empty_columns([r + [""] * (width - len(r)) for r in kept])
    lines = [_plain(r) for r in kept]
    # Banners above the header (a few cells over many columns) are kept as lines of their own.
    filled = [sum(bool(c) for c in r) for r in kept[:12]]
    first = 0 if header else next(i for i, n in enumerate(filled) if n >= 0.7 * max(filled))
    head = kept[first]
    named = header if header is not None else _is_header(head, kept[first + 1 :])
    if named and len(kept) > first + 1 and len(head) > 1 and sum(map(len, lines)) > LONG_CHARS:
        lines = lines[:first] + [_keyed(head, r) for r in kept[first + 1 :]]
    return Element("table", "\n".join(lines), page=page)


def _plain(row: list[str]) -> str:
    return " | ".join(row).rstrip(" |")


def _keyed(head: list[str], row: list[str]) -> str:
    filled = [(h, c) for h, c in zip(head, row, strict=True) if c]
    if len(filled) == 1 and filled[0][1] == row[0]:
        return row[0]  # a heading inside the table
    return " | ".join(f"{h.rstrip(':')}: {c}" if h and h != c else c for h, c in filled)


def _is_header(head: list[str], body: list[list[str]]) -> bool:
    """A first row of short, different, wordy cells over a body is taken as the names of the columns."""
    cells = [c for c in head if c]
    if len(cells) < 2 or len(cells) < len(head) - 1 or not body:
        return False
    wordy = all(any(ch.isalpha() for ch in c) and len(c) <= 60 for c in cells)
    return wordy and len(set(cells)) == len(cells)


def _without_empty_columns(rows: list[list[str]]) -> list[list[str]]:
    used = [i for i in range(len(rows[0])) if any(r[i] for r in rows)]
    return [[r[i] for i in used] for r in rows]
