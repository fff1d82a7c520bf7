"""From the lines of PDF pages to elements: reading order of columns, headings by font, tables by alignment,
paragraphs joined."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from statistics import median

from zoo.api import Element
from zoo.reading.pdf_line import Line
from zoo.reading.pdf_tables import rows_and_lines
from zoo.reading.tables import table


def without_running_heads(pages: list[list[Line]]) -> list[list[Line]]:
    """Drops what stands at the head or foot of most pages (titles, dates, page numbers)."""
    if len(pages) < 3:
        return pages
    seen: Counter[str] = Counter()
    for lines in pages:
        seen.update({_mask(line) for line in _edges(lines)})
    often = {mask for mask, n in seen.items() if n >= max(3, 0.4 * len(pages))}
    return [[x for x in lines if not (x in _edges(lines) and _mask(x) in often)] for lines in pages]


def _edges(lines: list[Line]) -> list[Line]:
    if not lines:
        return []
    high, low = max(x.y1 for x in lines), min(x.y0 for x in lines)
    span = high - low
    return [x for x in lines if x.y0 > high - 0.06 * span - 2 or x.y1 < low + 0.06 * span + 2]


def _mask(line: Line) -> str:
    return re.sub(r"\d+", "#", line.text)


def elements_of(pages: list[list[Line]]) -> list[Element]:
    lines = [line for page in pages for line in page]
    if not lines:
        return []
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[line.size] += len(line.text)
    body = sizes.most_common(1)[0][0]
    levels = _levels(lines, body)
    words = _whole_words(lines)
    found: list[Element] = []
    for page in pages:
        found += _page_elements(_reading_order(page), body, levels, words)
    return _joined_over_pages(found, words)


def _levels(lines: list[Line], body: float) -> dict[tuple[float, bool], int]:
    """Heading level by (size, bold): the larger the higher, at most four sizes; then bold lines of the body's own
    size."""
    large: Counter[float] = Counter()
    for line in lines:
        if line.size >= body * 1.12 and len(line.text) <= 200 and re.search(r"[^\W\d]{2}", line.text):
            large[line.size] += 1
    ranked = sorted(large, reverse=True)[:5]
    levels = {(size, bold): i for i, size in enumerate(ranked, 1) for bold in (True, False)}
    bold = [x for x in lines if x.bold and x.size == body]
    if bold and sum(len(x.text) for x in bold) < 0.25 * sum(len(x.text) for x in lines):
        levels[body, True] = len(ranked) + 1
    return levels


# --- reading order ---------------------------------------------------------------------------------------------------


def _reading_order(lines: list[Line]) -> list[Line]:
    """The file's own order, unless it goes back and forth across a gutter: then column by column between full-width
    lines."""
    gutter = _gutter(lines)
    if gutter is None:
        return lines
    ordered: list[Line] = []
    left: list[Line] = []
    right: list[Line] = []
    for line in sorted(lines, key=lambda x: (-x.middle, x.x0)):
        if line.x0 < gutter < line.x1:
            ordered += left + right + [line]
            left, right = [], []
        else:
            (left if line.x1 <= gutter else right).append(line)
    return ordered + left + right


def _gutter(lines: list[Line]) -> float | None:
    """The middle of the white band between two columns of prose, if the file's order crosses it again and again."""
    if len(lines) < 16:
        return None
    x0, x1 = min(x.x0 for x in lines), max(x.x1 for x in lines)
    best: tuple[int, float] | None = None
    for step in range(30, 71):
        x = x0 + (x1 - x0) * step / 100
        crossing = sum(line.x0 < x < line.x1 for line in lines)
        if best is None or crossing < best[0]:
            best = (crossing, x)
    if best is None or best[0] > 0.25 * len(lines):
        return None
    gutter = best[1]
    sides = [(0 if line.x1 <= gutter else 1) for line in lines if not line.x0 < gutter < line.x1]
    prose = [[line for line in lines if line.x1 <= gutter], [line for line in lines if line.x0 >= gutter]]
    if any(len(side) < 6 or median(len(x.text) for x in side) < 22 for side in prose):
        return None
    turns = sum(a != b for a, b in pairwise(sides))
    return gutter if turns > 0.3 * len(sides) else None


# --- elements of a page ----------------------------------------------------------------------------------------------

_BULLET = re.compile(r"^(?:[•·‣▪◦●○■□❑▢➢*–-]\s*|\(?(?:\d{1,2}|[a-z]|[ivx]{1,5})[.)]\s+)(?=\S)")
_MARK = re.compile(r"^[•·‣▪◦●○■□❑▢➢–]\s*")
_END = re.compile(r"[.!?:;][\"')\]”’\d]*$")


def _page_elements(
    lines: list[Line], body: float, levels: dict[tuple[float, bool], int], words: Counter[str]
) -> Iterator[Element]:
    """Rows of several cells are tables; the rest is joined to headings, items and paragraphs."""
    paragraph: list[Line] = []
    for group in rows_and_lines(lines):
        if isinstance(group, list):
            yield from _flush(paragraph, body, levels, words)
            paragraph = []
            if made := table(group, lines[0].page):
                yield made
            continue
        if paragraph and _parts(paragraph, group, levels):
            yield from _flush(paragraph, body, levels, words)
            paragraph = []
        paragraph.append(group)
    yield from _flush(paragraph, body, levels, words)


def _flush(
    lines: list[Line], body: float, levels: dict[tuple[float, bool], int], words: Counter[str]
) -> Iterator[Element]:
    if not lines:
        return
    text = join_lines([x.text for x in lines], words)
    first = lines[0]
    level = _level(first, levels)
    if level and len(text) <= 200 and re.search(r"[^\W\d]{2}", text) and not (first.size <= body and _END.search(text)):
        yield Element("title", text, level, first.page)
    elif _BULLET.match(text) and len(text) > 2:
        yield Element("item", _MARK.sub("", text), page=first.page)
    else:
        yield Element("text", text, page=first.page)


def _level(line: Line, levels: dict[tuple[float, bool], int]) -> int:
    return levels.get((line.size, line.bold), 0)


def _parts(paragraph: list[Line], line: Line, levels: dict[tuple[float, bool], int]) -> bool:
    """Whether `line` begins something new after `paragraph`."""
    last = paragraph[-1]
    if _level(last, levels) != _level(line, levels) or abs(last.size - line.size) > 0.12 * max(last.size, line.size):
        return True
    if _BULLET.match(line.text) and not last.text.endswith("-"):
        return True
    drop = last.middle - line.middle
    height = max(last.size, line.size)
    if drop < -height:  # upward: the next column
        return bool(_END.search(last.text))
    usual = median(a.middle - b.middle for a, b in pairwise(paragraph)) if len(paragraph) > 1 else 1.45 * height
    if drop > max(1.35 * usual, 1.1 * height) and drop > usual + 0.25 * height:
        return True
    indented = line.x0 > last.x0 + 0.8 * height and len(paragraph) > 1 and bool(_END.search(last.text))
    short = len(paragraph) > 1 and last.x1 < max(x.x1 for x in paragraph) - 6 * height and bool(_END.search(last.text))
    return indented or short


# --- words over line ends --------------------------------------------------------------------------------------------

_SPLIT = re.compile(r"(\w+)-$")
_OPEN_ADDRESS = re.compile(r"(?:https?://|www\.)\S*[./_=&?-]$")
_CONTINUED = re.compile(r"^(\w+)")


def join_lines(texts: list[str], words: Counter[str]) -> str:
    """Lines as one, hyphens at line ends removed; a hyphen stays where the document writes the word with one
    elsewhere, or where what follows is no small letter."""
    joined = texts[0]
    for text in texts[1:]:
        head, tail = _SPLIT.search(joined), _CONTINUED.match(text)
        if not head or not tail:
            joined += text if _OPEN_ADDRESS.search(joined) else f" {text}"
        elif (
            not tail.group(1)[0].islower()
            or not head.group(1).isalpha()
            or _keeps_hyphen(head.group(1), tail.group(1), words)
        ):
            joined += text
        else:
            joined = joined[:-1] + text
    return joined


def _keeps_hyphen(head: str, tail: str, words: Counter[str]) -> bool:
    """By what the document itself writes elsewhere: the word with a hyphen, without one, or only its two halves."""
    hyphened, whole = words[f"{head}-{tail}".lower()], words[f"{head}{tail}".lower()]
    if hyphened or whole:
        return hyphened > whole
    return bool(words[head.lower()] and words[tail.lower()])


def _whole_words(lines: list[Line]) -> Counter[str]:
    """The words of a document, but for the pieces that line ends cut."""
    words: Counter[str] = Counter()
    cut = False
    for line in lines:
        found = re.findall(r"\w[\w-]*\w|\w", line.text)
        first = int(cut)
        cut = line.text.endswith("-")
        words.update(w.lower() for w in found[first : len(found) - int(cut)])
    return words


def _joined_over_pages(found: list[Element], words: Counter[str]) -> list[Element]:
    """A paragraph that goes on over a page end is one; it keeps the page it began on."""
    out: list[Element] = []
    for e in found:
        last = out[-1] if out else None
        goes_on = last and last.kind in {"text", "item"} and e.kind == "text" and last.page != e.page
        if last and goes_on and not _END.search(last.text) and e.text[:1].islower():
            out[-1] = replace(last, text=join_lines([last.text, e.text], words))
        else:
            out.append(e)
    return out
