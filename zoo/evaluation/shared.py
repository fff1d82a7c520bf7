"""Questions that begin alike, such as those about one passage, in one row: what they share is read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from zoo.branches import WORTH, Branched, Tokens, alike, common

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
    """Rows as tensors (see `Branched`). `needed` (rows, columns) is true where logits are; `scored`: for each option its
    row, the columns that predict it, its tokens and its request."""

    tokens: Branched
    needed: torch.Tensor
    scored: list[tuple[int, list[int], list[int], int]] = field(default_factory=list)


def beginning(contexts: Sequence[Tokens]) -> int:
    """How many tokens all contexts begin with, each keeping one of its own; 0 where a cache is not worth it."""
    if len(contexts) < 2:
        return 0
    n = common(min(contexts), max(contexts))
    return n if n >= WORTH else 0


def rows_of(asked: Mapping[Tokens, Options], shared: int) -> list[Row]:
    """The questions by context, those together that have at least half of their tokens in common beyond `shared`; the
    widest row first."""
    contexts = sorted(asked)
    groups = [(n, [contexts[i] for i in group]) for n, group in alike([c[shared:] for c in contexts])]
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
    laid = Laid(Branched.empty(len(rows), width, shared), torch.zeros((len(rows), width), dtype=torch.bool))
    for n, row in enumerate(rows):
        head = laid.tokens.place(n, 0, row.head, [])
        at = head.stop
        for own, options in row.questions:
            tail = laid.tokens.place(n, at, own, [head])
            at = tail.stop
            for option, request in options:
                place = laid.tokens.place(n, at, option[:-1], [head, tail])
                columns = [tail.stop - 1, *range(place.start, place.stop)]
                laid.needed[n, columns] = True
                laid.scored.append((n, columns, option, request))
                at = place.stop
    return laid
