"""Questions that begin alike, such as those about one passage, in one row: what they share is read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

WORTH = 8  # a shared beginning shorter than this is not worth a cache
Tokens = tuple[int, ...]
Options = list[tuple[list[int], int]]


@dataclass(frozen=True)
class Row:
    """`head` is what its questions begin with, behind what all rows share. Each has a tail of its own, of at least a token,
    and options: their tokens, and the number of the request that each answers."""

    head: Tokens
    questions: list[tuple[Tokens, Options]]

    @property
    def width(self) -> int:
        return len(self.head) + sum(len(t) + sum(len(o) - 1 for o, _ in options) for t, options in self.questions)


@dataclass
class Laid:
    """Rows as tensors: `ids` and `positions` (rows, columns); `seen` (rows, columns, shared + columns), true where a column
    may look; `needed` (rows, columns), true where logits are. `scored`: for each option its row, the columns that predict
    it, its tokens and its request."""

    ids: torch.Tensor
    positions: torch.Tensor
    seen: torch.Tensor
    needed: torch.Tensor
    scored: list[tuple[int, list[int], list[int], int]] = field(default_factory=list)


def common(contexts: Sequence[Tokens]) -> int:
    """How many tokens all contexts begin with, each keeping one of its own; 0 where a cache is not worth it."""
    if len(contexts) < 2:
        return 0
    n = _common(min(contexts), max(contexts))
    return n if n >= WORTH else 0


def _common(a: Tokens, b: Tokens) -> int:
    most = min(len(a), len(b)) - 1
    return next((i for i in range(most) if a[i] != b[i]), most)


def rows_of(asked: Mapping[Tokens, Options], shared: int) -> list[Row]:
    """The questions by context, those together that have at least half of their tokens in common beyond `shared`; the
    widest row first."""
    groups: list[tuple[int, list[Tokens]]] = []
    for context in sorted(asked):
        own = context[shared:]
        if groups:
            head, group = groups[-1]
            # In sorted order no two contexts of a group have less in common than its neighbours.
            n = min(head, _common(group[-1][shared:], own))
            if n >= WORTH and 2 * n >= max(len(own), *(len(c) - shared for c in group)):
                groups[-1] = (n, [*group, context])
                continue
        groups.append((len(own) - 1, [context]))
    rows = [Row(g[0][shared : shared + n], [(c[shared + n :], asked[c]) for c in g]) for n, g in groups]
    return sorted(rows, key=lambda r: r.width, reverse=True)


def batches(rows: Sequence[Row], questions: int) -> list[list[Row]]:
    """Rows in their order, about `questions` questions together."""
    out: list[list[Row]] = []
    held = questions
    for row in rows:
        if held >= questions:
            out.append([])
            held = 0
        out[-1].append(row)
        held += len(row.questions)
    return out


def lay_out(rows: Sequence[Row], shared: int) -> Laid:
    """Each row's head, then each question's tail and behind it its options without their last tokens. A tail sees the
    head and itself, an option also the tail it belongs to."""
    width = max(r.width for r in rows)
    shape = (len(rows), width)
    laid = Laid(
        torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long),
        torch.zeros((*shape, shared + width), dtype=torch.bool), torch.zeros(shape, dtype=torch.bool),
    )  # fmt: skip
    # Padding sees itself: a softmax over nothing is not a number.
    diagonal = torch.arange(width)
    laid.seen[:, diagonal, shared + diagonal] = True
    for n, row in enumerate(rows):
        head = slice(0, len(row.head))
        _place(laid, n, shared, 0, row.head, [])
        at = len(row.head)
        for own, options in row.questions:
            tail = slice(at, at + len(own))
            _place(laid, n, shared, at, own, [head])
            at = tail.stop
            for option, request in options:
                _place(laid, n, shared, at, option[:-1], [head, tail])
                columns = [tail.stop - 1, *range(at, at + len(option) - 1)]
                laid.needed[n, columns] = True
                laid.scored.append((n, columns, option, request))
                at += len(option) - 1
    return laid


def _place(laid: Laid, row: int, shared: int, at: int, tokens: Sequence[int], before: list[slice]) -> None:
    """`tokens` from column `at` on, which see what is shared, the columns `before` them and themselves."""
    n = len(tokens)
    if not n:
        return
    here = slice(at, at + n)
    laid.ids[row, here] = torch.tensor(tokens)
    laid.positions[row, here] = shared + sum(b.stop - b.start for b in before) + torch.arange(n)
    laid.seen[row, here, :shared] = True
    for place in before:
        laid.seen[row, here, shared + place.start : shared + place.stop] = True
    laid.seen[row, here, shared + at : shared + at + n] = torch.ones(n, n, dtype=torch.bool).tril()
