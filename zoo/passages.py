"""Elements to a document's text, and that text to passages sized in tokens that cut no sentence, table row or item in
two."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from zoo.api import Document, ElementKind, Parsed, Passage

# A "sentence" of more than this many passages is none (a dump, a list without stops): it is cut at a blank.
_LONGEST = 2


@dataclass(frozen=True)
class Block:
    """Where an element lies in the document's text: `text[start:end]`."""

    kind: ElementKind
    start: int
    end: int
    level: int = 0
    page: int | None = None

    def row(self) -> list[Any]:
        return [self.kind, self.start, self.end, self.level, self.page]


def assemble(parsed: Parsed) -> tuple[str, list[Block]]:
    """The text of a document, its elements parted by blank lines (items by line ends), and where each lies in it."""
    pieces: list[str] = []
    blocks: list[Block] = []
    length = 0
    for e in parsed.elements:
        text = e.text.strip("\n") if e.kind == "code" else e.text.strip()
        if not text:
            continue
        if blocks:
            gap = "\n" if e.kind == "item" and blocks[-1].kind == "item" else "\n\n"
            pieces.append(gap)
            length += len(gap)
        blocks.append(Block(e.kind, length, length + len(text), e.level, e.page))
        pieces.append(text)
        length += len(text)
    return "".join(pieces), blocks


class Tokens(Protocol):
    """Counts tokens: for each text the character offsets at which its tokens start."""

    def starts(self, texts: list[str]) -> list[list[int]]: ...


class BaseTokens:
    """The base model's own tokenizer, from the `tokenizer.json` of a folder."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def starts(self, texts: list[str]) -> list[list[int]]:
        return [[s for s, _ in e.offsets] for e in self._tokenizer.encode_batch(texts, add_special_tokens=False)]


@dataclass(frozen=True)
class Unit:
    """What is never cut: a sentence, a row, an item's sentence, a line of code, a heading."""

    start: int
    end: int
    tokens: int
    block: int


def passages(document: Document, blocks: list[Block], tokens: Tokens, limit: int) -> Iterator[Passage]:
    """The passages of a document in order, of at most `limit` tokens each unless one unit alone is longer."""
    paths = _title_paths(document, blocks)
    for n, units in enumerate(_packed(blocks, list(_units(document.text, blocks, tokens, limit)), limit)):
        start, end = units[0].start, units[-1].end
        own = [u.block for u in units if blocks[u.block].kind != "title"] or [units[0].block]
        yield Passage(
            id=f"{document.id}#{n}", document=document.id, text=document.text[start:end], start=start, end=end,
            title=" > ".join(_common([paths[b] for b in own])), page=blocks[own[0]].page,
        )  # fmt: skip


def _title_paths(document: Document, blocks: list[Block]) -> list[tuple[str, ...]]:
    """For each block the headings it stands under, the document's title first."""
    title = str(document.meta.get("title", ""))
    stack: list[tuple[int, str]] = []
    paths = []
    for block in blocks:
        if block.kind == "title":
            while stack and stack[-1][0] >= block.level:
                stack.pop()
            stack.append((block.level, " ".join(document.text[block.start : block.end].split())))
        path = tuple(t for _, t in stack)
        paths.append(path if not title or title in path[:1] else (title, *path))
    return paths


def _common(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    shared = paths[0]
    for path in paths[1:]:
        same = next(
            (i for i, (a, b) in enumerate(zip(shared, path, strict=False)) if a != b), min(len(shared), len(path))
        )
        shared = shared[:same]
    return shared or paths[0][:1]


# --- units -----------------------------------------------------------------------------------------------------------

_ABBREVIATIONS = (
    "dr mr mrs ms prof st jr sr vs etc al fig figs eq eqs ref refs no nos vol pp ed eds e.g i.e cf ca approx "
    "resp dept inc ltd co corp jan feb mar apr jun jul aug sep sept oct nov dec u.s u.k m.d ph.d v "
    "art sec ch para spp sp var subsp "
    "viz est max min avg incl"
).split()
_STOP = re.compile(r"""[.!?…]["')\]”’»]*(?=\s)|[。！？]["')\]”’」』]*|\n""")


def sentence_ends(text: str) -> list[int]:
    """Where sentences end (exclusive); the last is the text's own end. Errs on the side of not cutting."""
    ends = []
    for match in _STOP.finditer(text):
        if match.group() == "\n" or match.group()[0] in "。！？" or _is_stop(text, match.start(), match.end()):
            ends.append(match.end())
    if not ends or ends[-1] < len(text):
        ends.append(len(text))
    return ends


def _is_stop(text: str, at: int, end: int) -> bool:
    following = text[end:].lstrip()[:1] if end + 50 > len(text) else text[end : end + 50].lstrip()[:1]
    if following.islower() or following in {",", ";", ")"}:
        return False
    if text[at] != ".":
        return True
    word = re.search(r"[\w.]*$", text[max(0, at - 20) : at])
    last = word.group().lower().lstrip(".") if word else ""
    return not (
        last in _ABBREVIATIONS or (len(last) == 1 and last.isalpha()) or re.fullmatch(r"(?:[a-z]\.)+[a-z]", last)
    )


def _units(text: str, blocks: list[Block], tokens: Tokens, limit: int) -> Iterator[Unit]:
    batch = 256
    for at in range(0, len(blocks), batch):
        part = blocks[at : at + batch]
        starts = tokens.starts([text[b.start : b.end] for b in part])
        for offset, (block, begun) in enumerate(zip(part, starts, strict=True)):
            yield from _block_units(text, block, at + offset, begun, limit)


def _block_units(text: str, block: Block, number: int, begun: list[int], limit: int) -> Iterator[Unit]:
    """The units of one block. Blanks around a unit belong to none, so that every unit's text begins and ends with a
    character."""
    from bisect import bisect_left

    inner = text[block.start : block.end]
    if block.kind in {"table", "code"}:
        ends = [m.end() for m in re.finditer(r"[^\n]*\n|[^\n]+\Z", inner)]
    else:
        ends = [len(inner)] if block.kind == "title" else sentence_ends(inner)
    at = 0
    for end in ends:
        first, last = bisect_left(begun, at), bisect_left(begun, end)
        for piece_at, piece_end, count in _pieces(inner, at, end, begun[first:last], limit):
            piece = inner[piece_at:piece_end]
            if piece.strip():
                lead = 0 if block.kind == "code" else len(piece) - len(piece.lstrip())
                tail = len(piece) - len(piece.rstrip())
                # Two more for the blank line that parts blocks.
                extra = 2 * (piece_end >= len(inner))
                yield Unit(block.start + piece_at + lead, block.start + piece_end - tail, count + extra, number)
        at = end


def _pieces(inner: str, at: int, end: int, begun: list[int], limit: int) -> Iterator[tuple[int, int, int]]:
    """The unit as it is, or, if it is far longer than a passage, cut at blanks."""
    if len(begun) <= _LONGEST * limit:
        yield at, end, len(begun)
        return
    first = 0
    while first < len(begun):
        last = min(first + limit - 1, len(begun))
        cut = end if last == len(begun) else begun[last]
        if cut < end and (blank := _cut_before(inner, begun[first] + 1, cut)) > 0:
            cut = blank
            last = max(first + 1, next((i for i in range(last, first, -1) if begun[i - 1] < cut), first + 1))
        yield (at if first == 0 else begun[first]), cut, last - first
        first = last


def _cut_before(inner: str, at: int, end: int) -> int:
    """Where best to cut: after a sentence, as a table's row may have several, or an entry of a list run together, if one
    ends in the second half, else at a blank."""
    sentences = [at + n for n in sentence_ends(inner[at:end])[:-1] if n > (end - at) // 2]
    if sentences:
        return sentences[-1]
    listed = max(inner.rfind(mark, (at + end) // 2, end) for mark in ("; ", " - ", " • "))
    return listed + 1 if listed > 0 else inner.rfind(" ", at, end)


# --- packing ---------------------------------------------------------------------------------------------------------


def _packed(blocks: list[Block], units: list[Unit], limit: int) -> Iterator[list[Unit]]:
    """Units gathered up to `limit` tokens. A heading starts a passage once a quarter is full and never ends one; a
    table or paragraph that would fit a passage of its own is not begun in the rest of another that is half full."""
    whole = _block_tokens(units, len(blocks))
    current: list[Unit] = []
    size = 0
    for i, unit in enumerate(units):
        kind = blocks[unit.block].kind
        begins = i == 0 or units[i - 1].block != unit.block
        full = size + unit.tokens > limit
        if begins and current and not full:
            if kind == "title" and blocks[units[i - 1].block].kind != "title":
                full = sum(u.tokens for u in current if blocks[u.block].kind != "title") >= limit / 4
            elif kind != "title" and size + whole[unit.block] > limit >= whole[unit.block]:
                full = kind in {"table", "code"} or size >= limit / 2
        if full and current:
            kept, carried = _without_last_headings(blocks, current)
            if kept:
                yield kept
                current = carried
                size = sum(u.tokens for u in current)
        current.append(unit)
        size += unit.tokens
    if current:
        yield current


def _block_tokens(units: list[Unit], count: int) -> list[int]:
    totals = [0] * count
    for unit in units:
        totals[unit.block] += unit.tokens
    return totals


def _without_last_headings(blocks: list[Block], units: list[Unit]) -> tuple[list[Unit], list[Unit]]:
    cut = len(units)
    while cut and blocks[units[cut - 1].block].kind == "title":
        cut -= 1
    return units[:cut], units[cut:]
