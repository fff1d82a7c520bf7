"""Running text as packed rows: texts follow one another in a row, and no text sees another."""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, TypeVar

from zoo.branches import Tokens
from zoo.fencing import defused

P = TypeVar("P", bound=Sized)


@dataclass(frozen=True)
class Piece:
    """A run of the tokens of the text with the id `of`. All but the first train."""

    tokens: Tokens
    start: int = 1
    others: tuple[Tokens, ...] = ()
    of: str = ""

    def __len__(self) -> int:
        return len(self.tokens)


def pieces_of(tokenizer: Any, text: str, length: int, of: str = "") -> list[Piece]:
    """The text's tokens, the end-of-text token behind them, cut into pieces of at most `length`. What looks like a special
    token in a document is read as letters: it ends nothing."""
    tokens = [*tokenizer(defused(text), add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    # A piece of one token has nothing to predict.
    cut = [Piece(tuple(tokens[n : n + length]), of=of) for n in range(0, len(tokens), length)]
    return [c for c in cut if len(c) > 1]


def pack(pieces: Sequence[P], length: int, seed: int) -> list[tuple[P, ...]]:
    """Rows of at most `length` tokens, each piece whole, by best fit of the longest first, in a seeded order."""
    rows: list[list[P]] = []
    rooms: list[int] = []  # what is left in some row, each once, ascending
    having: dict[int, list[int]] = {}  # the rows with that much left, a heap: the first of them is filled first
    order = list(pieces)
    random.Random(seed).shuffle(order)
    for piece in sorted(order, key=len, reverse=True):
        place = bisect_left(rooms, len(piece))
        if place < len(rooms):
            room = rooms[place]
            n = heappop(having[room])
            if not having[room]:
                del having[room], rooms[place]
        else:
            room, n = length, len(rows)
            rows.append([])
        rows[n].append(piece)
        left = room - len(piece)
        if left not in having:
            having[left] = []
            insort(rooms, left)
        heappush(having[left], n)
    out = [tuple(r) for r in rows]
    random.Random(seed).shuffle(out)
    return out
