"""Finds the tables among the lines of a PDF page: rows whose cells start at the same places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from zoo.reading.pdf_line import Line, Word

_WIDE = 1.2  # sizes of the font: no blank between words is as wide
_NEAR = 3.0  # points that starts of a column may differ by
Grid = list[list[str]]


def rows_and_lines(lines: list[Line]) -> Iterator[Line | Grid]:
    """The lines in order, with each run of rows that makes a table as the table's cells."""
    rows = _on_baselines(lines)
    columns = _columns(rows)
    at = 0
    while at < len(rows):
        end = _table_end(rows, at, columns)
        if end - at >= 2 and (grid := _grid(rows[at:end], columns)):
            yield grid
            at = end
        else:
            yield _merged(rows[at])
            at += 1


def _on_baselines(lines: list[Line]) -> list[list[Line]]:
    """Lines that follow each other to the right on one baseline are one row."""
    rows: list[list[Line]] = []
    for line in lines:
        if (back := _row_it_ends(rows, line)) is not None:
            above = [x for row in rows[back + 1 :] for x in row]
            del rows[back + 1 :]
            rows[back].append(_stacked([*above, line]))
        else:
            rows.append([line])
    return rows


def _row_it_ends(rows: list[list[Line]], line: Line) -> int | None:
    """The row that `line` goes on with to the right: the last one, or one a few lines back if all since then are the
    upper lines of the same cell. A cell of one line centred beside a cell of two lies half a line off."""
    for back in range(len(rows) - 1, max(len(rows) - 6, -1), -1):
        last = rows[back][-1]
        size = max(last.size, line.size)
        off = abs(last.middle - line.middle)
        apart = line.x0 - last.x1 > _WIDE * size
        if (off < 0.4 * size and line.x0 >= last.x1 - 1) or (off < 0.8 * size and apart and back == len(rows) - 1):
            since = [x for row in rows[back + 1 :] for x in row]
            return back if all(abs(x.x0 - line.x0) <= _NEAR and x.middle > line.middle for x in since) else None
    return None


def _stacked(lines: list[Line]) -> Line:
    """The lines of one cell as one."""
    if len(lines) == 1:
        return lines[0]
    text, right = " ".join(x.text for x in lines), max(x.x1 for x in lines)
    return replace(lines[-1], text=text, x1=right, words=(Word(lines[0].x0, right, text),))


def _merged(row: list[Line]) -> Line:
    if len(row) == 1:
        return row[0]
    words = tuple(w for x in row for w in x.words)
    return replace(row[0], text=" ".join(x.text for x in row), x1=row[-1].x1, words=words)


def _columns(rows: list[list[Line]]) -> list[float]:
    """Where words start after a gap far wider than a blank: starts of columns but the first. Stretched prose has
    none."""
    starts: set[float] = set()
    for row in rows:
        words = [w for x in row for w in x.words]
        starts |= {b.x0 for a, b in pairwise(words) if b.x0 - a.x1 > _WIDE * row[0].size}
    return sorted(starts)


def _cells(row: list[Line], columns: list[float]) -> list[Word]:
    """A row's words gathered to cells: a new one begins after a wide gap, or at a column after more than a blank."""
    words = [w for x in row for w in x.words]
    size = row[0].size
    blank = min((b.x0 - a.x1 for a, b in pairwise(words)), default=0.0)
    # In a stretched line all blanks are wide; where all gaps are, the cells are single words.
    more = max(0.45 * size, 1.5 * min(blank, 0.4 * size))
    cells: list[Word] = []
    for word in words:
        gap = word.x0 - cells[-1].x1 if cells else 0.0
        off = min((abs(word.x0 - c) for c in columns), default=size)
        # A cell that nearly fills its column leaves little more than a blank before the next.
        begins = (
            gap > _WIDE * size or (gap > more and off <= _NEAR) or (gap > max(0.3 * size, 1.2 * blank) and off <= 0.3)
        )
        if cells and not begins:
            cells[-1] = Word(cells[-1].x0, word.x1, f"{cells[-1].text} {word.text}")
        else:
            cells.append(word)
    return cells


def _table_end(rows: list[list[Line]], at: int, columns: list[float]) -> int:
    """The first row after `at` that is no row of a table begun there. A lone cell under a later column is the rest of a
    wrapped cell; it never begins or parts a table."""
    end = at
    for i in range(at, len(rows)):
        cells = _cells(rows[i], columns)
        if _bulleted(cells):
            break
        close = i == at or abs(rows[i - 1][0].middle - rows[i][0].middle) < 3.2 * rows[i][0].size
        if not close:
            break
        if len(cells) >= 2:
            end = i + 1
        elif end == at or not (_continues(rows[at], cells[0], columns) or _begins_cell(rows, i)) or i >= end + 4:
            break
    while end < len(rows) and end - at >= 2:
        cells = _cells(rows[end], columns)
        drop = abs(rows[end - 1][0].middle - rows[end][0].middle)
        if len(cells) != 1 or drop > 1.3 * rows[end][0].size or not _continues(rows[at], cells[0], columns):
            break
        end += 1
    return end if sum(len(_cells(r, columns)) >= 2 for r in rows[at:end]) >= 2 else at


def _continues(first: list[Line], cell: Word, columns: list[float]) -> bool:
    return cell.x0 > first[0].x0 + 2 * _NEAR and any(abs(cell.x0 - c) <= _NEAR for c in columns)


def _begins_cell(rows: list[list[Line]], i: int) -> bool:
    """Whether a lone line is the upper part of the next row's first cell: the row's second cell is centred on both,
    or the next row's first word had no room left on the line."""
    if i + 1 >= len(rows) or len(rows[i + 1]) < 2 or abs(rows[i + 1][0].x0 - rows[i][0].x0) > _NEAR:
        return False
    lone, below, beside = rows[i][0], rows[i + 1][0], rows[i + 1][1]
    if lone.middle - below.middle > 1.35 * below.size:
        return False
    centred = below.middle + 0.2 * below.size < beside.middle < lone.middle
    first = below.words[0].x1 - below.words[0].x0
    return centred or beside.x0 - 1.2 * below.size < lone.x1 + 0.25 * below.size + first < beside.x0 + 3 * below.size


def _bulleted(cells: list[Word]) -> bool:
    """A bullet or number and its text are no row of two cells."""
    return (
        len(cells) == 2
        and len(cells[0].text) <= 3
        and not any(c.isalpha() for c in cells[0].text)
        and cells[0].text[-1] in ".)•-–*·▪◦●"
    )


def _grid(run: list[list[Line]], columns: list[float]) -> Grid | None:
    """The cells of a run by column; None if its cells do not line up."""
    found = [_cells(row, columns) for row in run]
    starts: list[float] = []
    for x in sorted(c.x0 for cells in found for c in cells):
        if not starts or x - starts[-1] > 4 * _NEAR:
            starts.append(x)
    most = max(map(len, found))
    if len(starts) > most + 2 or not _line_up(found):
        return None
    grid: Grid = []
    begun = ""
    for i, cells in enumerate(found):
        placed = [""] * len(starts)
        for cell in cells:
            column = max((i for i, s in enumerate(starts) if s <= cell.x0 + 1), default=0)
            placed[column] = f"{placed[column]} {cell.text}".strip()
        # A cell's further lines belong to its row, above or below its other cells' line.
        if grid and len(cells) == 1 and not placed[0]:
            grid[-1] = [f"{a} {b}".strip() for a, b in zip(grid[-1], placed, strict=True)]
        elif len(cells) == 1 and _begins_cell(run, i):
            begun = placed[0]
        else:
            grid.append([f"{begun} {placed[0]}".strip(), *placed[1:]])
            begun = ""
    return grid


def _line_up(found: list[list[Word]]) -> bool:
    """Whether the second cells of most rows share their left edge, right edge or middle."""
    seconds = [cells[1] for cells in found if len(cells) >= 2]
    for edges in ([c.x0 for c in seconds], [c.x1 for c in seconds], [(c.x0 + c.x1) / 2 for c in seconds]):
        groups = Counter(round(edge / (2 * _NEAR)) for edge in edges)
        if max(sum(groups[k + d] for d in (-1, 0, 1)) for k in groups) >= 0.6 * len(seconds):
            return True
    return False
