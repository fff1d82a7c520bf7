"""Token rows with branches: what several sequences begin with stands once, and each goes on from it unseen by the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

WORTH = 8  # a shared beginning shorter than this is not worth sharing
Tokens = tuple[int, ...]


@dataclass
class Branched:
    """Rows as tensors, filled by `place`. `ids` and `positions` (rows, columns); `seen` (rows, columns, cached + columns),
    true where a column may look. `cached` tokens stand before every row, in a cache, and are seen by all."""

    ids: torch.Tensor
    positions: torch.Tensor
    seen: torch.Tensor
    cached: int

    @classmethod
    def empty(cls, rows: int, columns: int, cached: int = 0, pad: int = 0) -> Branched:
        seen = torch.zeros((rows, columns, cached + columns), dtype=torch.bool)
        # Padding sees itself: a softmax over nothing is not a number.
        diagonal = torch.arange(columns)
        seen[:, diagonal, cached + diagonal] = True
        return cls(torch.full((rows, columns), pad), torch.zeros((rows, columns), dtype=torch.long), seen, cached)

    def place(self, row: int, at: int, tokens: Sequence[int], before: Sequence[slice]) -> slice:
        """Puts `tokens` from column `at` on, where they see what is cached, the columns `before` them and themselves.
        Returns their columns."""
        n = len(tokens)
        here = slice(at, at + n)
        if not n:
            return here
        self.ids[row, here] = torch.tensor(tokens)
        self.positions[row, here] = self.cached + sum(b.stop - b.start for b in before) + torch.arange(n)
        self.seen[row, here, : self.cached] = True
        for place in before:
            self.seen[row, here, self.cached + place.start : self.cached + place.stop] = True
        own = slice(self.cached + at, self.cached + at + n)
        self.seen[row, here, own] = torch.ones(n, n, dtype=torch.bool).tril()
        return here


def common(a: Tokens, b: Tokens) -> int:
    """How many tokens both begin with, each keeping one of its own."""
    most = min(len(a), len(b)) - 1
    return next((i for i in range(most) if a[i] != b[i]), most)


def alike(prompts: Sequence[Tokens]) -> list[tuple[int, list[int]]]:
    """Groups of prompts, by index, of which each has at least half in its group's beginning, and that beginning's length.
    A prompt that is like no other is a group with all but its last token as the beginning."""
    groups: list[tuple[int, list[int]]] = []
    for i in sorted(range(len(prompts)), key=lambda i: prompts[i]):
        own = prompts[i]
        if groups:
            head, group = groups[-1]
            # In sorted order no two prompts of a group have less in common than its neighbours.
            n = min(head, common(prompts[group[-1]], own))
            if n >= WORTH and 2 * n >= max(len(own), *(len(prompts[j]) for j in group)):
                groups[-1] = (n, [*group, i])
                continue
        groups.append((len(own) - 1, [i]))
    return groups
