"""What several rows begin with, such as the passage that several questions are about, read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from zoo.branches import Tokens, alike


class Row(Protocol):
    """A sequence that trains: `tokens[start:]` does. `others` may stand in that part's place, for the choice loss."""

    @property
    def tokens(self) -> Tokens: ...
    @property
    def start(self) -> int: ...
    @property
    def others(self) -> tuple[Tokens, ...]: ...


@dataclass(frozen=True)
class Shared:
    """Rows that all begin with `head`, and see it and themselves alone."""

    head: Tokens
    rows: tuple[Row, ...]

    def __len__(self) -> int:
        """Tokens that go through the model."""
        own = sum(len(r.tokens) - len(self.head) + sum(map(len, r.others)) for r in self.rows)
        return len(self.head) + own

    @property
    def plain(self) -> bool:
        """Whether it is one sequence and nothing beside it."""
        return len(self.rows) == 1 and not self.rows[0].others


def alone(row: Row) -> Shared:
    return Shared((), (row,))


def share(rows: Sequence[Row], most: int, length: int) -> list[Shared]:
    """The rows, those together whose prompts are at least half alike: at most `most` of them and `length` tokens, save that
    a longer row stands alone."""
    out: list[Shared] = []
    for head, group in alike([r.tokens[: r.start] for r in rows]):
        together = Shared(rows[group[0]].tokens[:head], ())
        for row in (rows[i] for i in group):
            wider = Shared(together.head, (*together.rows, row))
            if together.rows and (len(together.rows) == most or len(wider) > length):
                out.append(together)
                wider = Shared(together.head, (row,))
            together = wider
        out.append(together)
    return [s if len(s.rows) > 1 else alone(s.rows[0]) for s in out]
