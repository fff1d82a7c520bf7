"""Batches of like length, so that next to nothing of what is computed is padding.

All batches of a run are laid out before it starts: a killed run goes on at the next one, and a token budget is exact.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

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
    counts: Sequence[int] | None = None, levels: Sequence[int] | None = None, rounds: int = 1,
) -> Layout:  # fmt: skip
    """The whole run. It ends after `epochs` (a fraction takes that share of the last epoch's batches), or before the
    first batch that would exceed `max_tokens`; one batch is always kept.

    With `levels`, how hard each row is, the easier ones come first in every epoch. With several `rounds` each of them has an
    equal part of the tokens that the run would have had, and rows in random order: the first goes over the easiest rows, again
    and again, the second over the next harder ones too, and so on; the last, if no earlier one, goes over all.
    """

    def epoch(able: Sequence[int], of: Sequence[int] | None, chance: str) -> list[list[int]]:
        return _epoch(lengths, rows, tokens, chance, counts, of, able)

    batches: list[list[int]] = []
    for n in range(math.ceil(epochs)):
        of_epoch = epoch(range(len(lengths)), levels, f"{seed}:{n}")
        batches += of_epoch[: math.ceil(len(of_epoch) * min(1.0, epochs - n))]
    plain = _within(batches, lengths, max_tokens)
    if levels is None or rounds == 1:
        return plain
    kept: list[list[int]] = []
    grown = sorted(set(levels))
    for n in range(rounds):
        highest = grown[-1] if n == rounds - 1 else grown[min(n, len(grown) - 1)]
        able = [i for i, level in enumerate(levels) if level <= highest]
        until = plain.tokens[-1] * (n + 1) // rounds
        kept += _filled(partial(epoch, able, None), f"{seed}:{n}", lengths, until - _sum(kept, lengths))
    return Layout(kept, _sums(kept, lengths), plain.stopped)


def _epoch(
    lengths: Sequence[int], rows: int, tokens: int, chance: str, counts: Sequence[int] | None, levels: Sequence[int] | None,
    able: Sequence[int],
) -> list[list[int]]:  # fmt: skip
    """One epoch over the rows in `able`; with `levels` no batch has rows of two, and the easier ones come first."""
    groups = [list(able)]
    if levels is not None:
        groups = [[i for i in able if levels[i] == level] for level in sorted({levels[i] for i in able})]
    rng = random.Random(chance)
    out: list[list[int]] = []
    for group in groups:
        of = epoch_batches([lengths[i] for i in group], rows, tokens, rng, counts and [counts[i] for i in group])
        out += [[group[i] for i in batch] for batch in of]
    return out


def _within(batches: Sequence[list[int]], lengths: Sequence[int], max_tokens: int | None) -> Layout:
    """The first batches, at least one, that have no more than `max_tokens`."""
    sums = _sums(batches, lengths)
    count = len(batches) if max_tokens is None else max(1, sum(total <= max_tokens for total in sums))
    stopped = "max_tokens" if count < len(batches) else None
    return Layout(list(batches[:count]), sums[:count], stopped)


def _filled(epoch: Callable[[str], list[list[int]]], chance: str, lengths: Sequence[int], most: int) -> list[list[int]]:
    """The batches of one epoch after the other, up to the first that would come to more than `most` tokens; at least one."""
    kept: list[list[int]] = []
    for again in itertools.count():
        for batch in epoch(f"{chance}:{again}"):
            most -= sum(lengths[i] for i in batch)
            if kept and most < 0:
                return kept
            kept.append(batch)
    raise AssertionError("counting ends")


def _sum(batches: Sequence[Sequence[int]], lengths: Sequence[int]) -> int:
    return sum(lengths[i] for batch in batches for i in batch)


def _sums(batches: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[int]:
    return list(itertools.accumulate(sum(lengths[i] for i in batch) for batch in batches))


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
