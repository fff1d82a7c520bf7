"""A few kept and a few rejected examples beside the passages they come from, with the quotes marked in them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.api import Example, Passage, Rejected
from zoo.artifact import R, read_rows
from zoo.quotes import find_quote
from zoo.report.facts import Steps

SHOWN = 10
LONG, AROUND = 900, 200  # characters: a longer text is folded to what is around its quotes
Span = tuple[int, int]
Pieces = list[tuple[str, bool]]


@dataclass(frozen=True)
class Shown:
    """A passage in pieces, each with whether it is quoted."""

    passage: Passage
    pieces: Pieces


@dataclass(frozen=True)
class Kept:
    """An example; `elsewhere` are its quotes that stand in no passage of this run."""

    example: Example
    passages: list[Shown]
    elsewhere: list[str]


@dataclass(frozen=True)
class Refused:
    """A rejected item; `absent` are the quotes that its passage does not have."""

    row: Rejected
    passage: Shown | None
    absent: list[str]


@dataclass(frozen=True)
class Excerpts:
    kept: list[Kept]
    kept_of: int
    rejected: list[Refused]
    rejected_of: int


def gather(steps: Steps) -> Excerpts | None:
    """None before annotate."""
    if "annotate" not in steps:
        return None
    folder = steps["annotate"].artifact.folder
    kept, kept_of = drawn(folder / "examples.jsonl", Example, _origin)
    rejected, rejected_of = drawn(folder / "rejected.jsonl", Rejected, lambda r: r.reason)
    wanted = {c.passage for e in kept for c in e.citations} | {r.id for r in rejected}
    passages = {p.id: p for p in steps["ingest"].artifact.rows("passages.jsonl", Passage) if p.id in wanted}
    return Excerpts([_kept(e, passages) for e in kept], kept_of, [_refused(r, passages) for r in rejected], rejected_of)


def _origin(example: Example) -> Hashable:
    return example.origin, example.source, example.teacher.model if example.teacher else ""


def drawn(path: Path, row: type[R], kind: Callable[[R], Hashable]) -> tuple[list[R], int]:
    """`SHOWN` rows of a file, of every kind alike, always the same ones; and how many rows it has. The file is read
    twice, so that it need not fit in memory."""
    kinds = [kind(r) for r in read_rows(path, row)]
    chosen = set(spread(kinds, SHOWN))
    return [r for n, r in enumerate(read_rows(path, row)) if n in chosen], len(kinds)


def spread(kinds: Sequence[Hashable], most: int) -> list[int]:
    """The places of at most `most` of them: each kind in turn gets one more, and within a kind they lie evenly."""
    places: dict[Hashable, list[int]] = {}
    for n, kind in enumerate(kinds):
        places.setdefault(kind, []).append(n)
    share = dict.fromkeys(places, 0)
    left = min(most, len(kinds))
    while left:
        for kind in places:
            if left and share[kind] < len(places[kind]):
                share[kind] += 1
                left -= 1
    return sorted(p[i * len(p) // share[k]] for k, p in places.items() for i in range(share[k]))


def _kept(example: Example, passages: dict[str, Passage]) -> Kept:
    spans: dict[str, list[Span]] = {}
    for c in example.citations:
        if c.passage in passages:
            spans.setdefault(c.passage, []).append((c.start, c.end))
    elsewhere = [c.quote for c in example.citations if c.passage not in passages]
    return Kept(example, [Shown(passages[p], pieces(passages[p].text, s)) for p, s in spans.items()], elsewhere)


def _refused(row: Rejected, passages: dict[str, Passage]) -> Refused:
    passage = passages.get(row.id)
    if passage is None:
        return Refused(row, None, [])
    quotes = list(dict.fromkeys(_quotes(row.detail)))
    places = {q: find_quote(q, passage.text) for q in quotes}
    shown = Shown(passage, pieces(passage.text, [p for p in places.values() if p]))
    return Refused(row, shown, [q for q, p in places.items() if p is None])


def _quotes(detail: dict[str, Any]) -> Iterable[str]:
    """What the teacher gave as quotes in an answer that could be read."""
    for part in detail.values():
        if isinstance(part, dict):
            yield from (q for q in part.get("quotes", []) if isinstance(q, str))


def pieces(text: str, spans: Sequence[Span]) -> Pieces:
    """The text cut at the spans, which may overlap; the pieces joined are the text."""
    out: Pieces = []
    at = 0
    for start, end in sorted(spans):
        start, end = max(start, at), min(end, len(text))
        if end <= start:
            continue
        if start > at:
            out.append((text[at:start], False))
        out.append((text[start:end], True))
        at = end
    if at < len(text):
        out.append((text[at:], False))
    return out


def folded(whole: Pieces) -> Pieces:
    """A long text's quotes and what is around each, else its beginning; nothing where the text is not long."""
    if sum(len(text) for text, _ in whole) <= LONG:
        return []
    if not any(quoted for _, quoted in whole):
        return [(_head("".join(text for text, _ in whole), 2 * AROUND) + " …", False)]
    out: Pieces = []
    for n, (text, quoted) in enumerate(whole):
        head = f"{_head(text, AROUND)} " if n else ""
        tail = f" {_tail(text, AROUND)}" if n + 1 < len(whole) else ""
        fits = quoted or len(text) <= len(head) + len(tail)
        out.append((text if fits else f"{head}…{tail}", quoted))
    return out


def _head(text: str, size: int) -> str:
    """About the first `size` characters, without half a word at the end."""
    return text if len(text) <= size else (text[:size].rsplit(None, 1) or [""])[0]


def _tail(text: str, size: int) -> str:
    return text if len(text) <= size else (text[-size:].split(None, 1) or [""])[-1]
