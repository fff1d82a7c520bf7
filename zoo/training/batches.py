"""Batches of like length, so that next to nothing of what is computed is padding.

All batches of a run are laid out before it starts: a killed run goes on at the next one, and a token budget is exact.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

BUCKET = 8  # tokens; rows whose lengths differ by less are mixed anew in every epoch
STRETCH = 1.1  # a forward pass never pads a row to more than this times its length


@dataclass(frozen=True)
class Layout:
    """Every optimizer step's rows, by index. `tokens[n]` counts the tokens (no padding) up to and with step `n`."""

    batches: list[list[int]]
    tokens: list[int]
    stopped: str | None


def epoch_batches(
    lengths: Sequence[int], rows: int, tokens: int, rng: random.Random, counts: Sequence[int] | None = None
) -> list[list[int]]:
    """One epoch: each row once, in batches of at most `rows` rows and `tokens` tokens (padding counted; a longer row
    comes alone), in random order. Where several rows are laid out as one, `counts` says how many each holds."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i] // BUCKET, rng.random()))
    batches: list[list[int]] = []
    longest = held = 0
    for i in order:
        count = counts[i] if counts else 1
        longest = max(longest, lengths[i])
        if not batches or held + count > rows or (len(batches[-1]) + 1) * longest > tokens:
            batches.append([])
            longest, held = lengths[i], 0
        batches[-1].append(i)
        held += count
    rng.shuffle(batches)
    return batches


def lay_out(
    lengths: Sequence[int], *, epochs: float, rows: int, tokens: int, max_tokens: int | None, seed: int,
    counts: Sequence[int] | None = None,
) -> Layout:  # fmt: skip
    """The whole run. It ends after `epochs` (a fraction takes that share of the last epoch's batches), or before the
    first batch that would exceed `max_tokens`; one batch is always kept."""
    batches: list[list[int]] = []
    for epoch in range(math.ceil(epochs)):
        of_epoch = epoch_batches(lengths, rows, tokens, random.Random(f"{seed}:{epoch}"), counts)
        batches += of_epoch[: math.ceil(len(of_epoch) * min(1.0, epochs - epoch))]
    kept: list[list[int]] = []
    so_far: list[int] = []
    for batch in batches:
        total = (so_far[-1] if so_far else 0) + sum(lengths[i] for i in batch)
        if kept and max_tokens is not None and total > max_tokens:
            return Layout(kept, so_far, "max_tokens")
        kept.append(batch)
        so_far.append(total)
    return Layout(kept, so_far, None)


def passes(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """One batch as forward passes: at most `tokens` tokens each, padding counted, and no row stretched by more than a
    tenth. The gradient is their sum, so this bounds memory and changes nothing else."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    out: list[list[int]] = []
    for i in order:
        if not out or (len(out[-1]) + 1) * lengths[i] > tokens or lengths[i] > lengths[out[-1][0]] * STRETCH:
            out.append([])
        out[-1].append(i)
    return out
