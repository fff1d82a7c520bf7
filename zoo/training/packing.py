"""Running text as packed rows: texts follow one another in a row, and no text sees another."""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import torch

from zoo.training.batches import passes
from zoo.training.loss import Batch
from zoo.training.rows import IGNORED


@dataclass(frozen=True)
class Pack:
    """One row: `pieces` of texts, each a run of tokens. All but the first token of a piece train."""

    pieces: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        """Tokens that go through the model."""
        return sum(map(len, self.pieces))

    @property
    def trained(self) -> int:
        return len(self) - len(self.pieces)


def pieces_of(tokenizer: Any, text: str, length: int) -> list[tuple[int, ...]]:
    """The text's tokens, the end-of-text token behind them, cut into pieces of at most `length`."""
    tokens = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    # A piece of one token has nothing to predict.
    cut = [tuple(tokens[n : n + length]) for n in range(0, len(tokens), length)]
    return [c for c in cut if len(c) > 1]


def pack(pieces: Sequence[tuple[int, ...]], length: int, seed: int) -> list[Pack]:
    """Rows of at most `length` tokens, each piece whole, by best fit of the longest first, in a seeded order."""
    rows: list[list[tuple[int, ...]]] = []
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
    out = [Pack(tuple(r)) for r in rows]
    random.Random(seed).shuffle(out)
    return out


@dataclass(frozen=True)
class PackCollator:
    """Packs to the forward passes of one step, each a dict of (rows, longest) tensors.

    A pass in which every row is one piece and none is padded needs no mask; else `attention_mask` is (rows, 1, longest,
    longest), each piece seeing itself alone, and positions start anew with every piece.
    """

    pad: int
    tokens: int

    def __call__(self, rows: Sequence[Pack]) -> Batch:
        return [self._one([rows[i] for i in part]) for part in passes([len(r) for r in rows], self.tokens)]

    def _one(self, rows: list[Pack]) -> dict[str, torch.Tensor]:
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.pad)
        labels = torch.full((len(rows), longest), IGNORED)
        positions = torch.zeros_like(ids)
        owner = torch.full((len(rows), longest), -1)
        for n, row in enumerate(rows):
            at = 0
            for number, piece in enumerate(row.pieces):
                own = slice(at, at + len(piece))
                ids[n, own] = torch.tensor(piece)
                labels[n, own] = ids[n, own]
                labels[n, at] = IGNORED
                positions[n, own] = torch.arange(len(piece))
                owner[n, own] = number
                at += len(piece)
        out = {"input_ids": ids, "labels": labels}
        if all(len(r.pieces) == 1 and len(r) == longest for r in rows):
            return out
        # Padding is an owner of its own: it sees padding, since a softmax over nothing is not a number.
        seen = (owner[:, :, None] == owner[:, None, :]) & torch.ones(longest, longest, dtype=torch.bool).tril()
        return {**out, "position_ids": positions, "attention_mask": seen[:, None]}
