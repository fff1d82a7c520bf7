from __future__ import annotations

import random

from zoo.training.batches import STRETCH, epoch_batches, lay_out, passes

LENGTHS = [random.Random(n).randint(40, 400) for n in range(300)]


def test_every_row_comes_once_an_epoch_within_the_budgets() -> None:
    batches = epoch_batches(LENGTHS, rows=8, tokens=2000, rng=random.Random(1))
    assert sorted(i for b in batches for i in b) == list(range(len(LENGTHS)))
    assert all(len(b) <= 8 and len(b) * max(LENGTHS[i] for i in b) <= 2000 for b in batches)


def test_next_to_nothing_of_a_batch_is_padding() -> None:
    batches = epoch_batches(LENGTHS, rows=8, tokens=4096, rng=random.Random(1))
    padded = sum(len(b) * max(LENGTHS[i] for i in b) for b in batches)
    assert padded / sum(LENGTHS) < 1.05


def test_a_row_longer_than_the_budget_comes_alone() -> None:
    batches = epoch_batches([10, 900, 12], rows=8, tokens=100, rng=random.Random(0))
    assert [1] in batches and len(batches) == 2


def test_the_layout_is_the_same_for_a_seed_and_differs_between_epochs() -> None:
    one, two = (lay_out(LENGTHS, epochs=2, rows=8, tokens=4096, max_tokens=None, seed=5) for _ in range(2))
    half = len(one.batches) // 2
    assert one == two and one.batches[:half] != one.batches[half:]
    assert one.stopped is None and one.tokens[-1] == 2 * sum(LENGTHS)


def test_the_token_budget_is_never_exceeded_and_is_said() -> None:
    layout = lay_out(LENGTHS, epochs=3, rows=8, tokens=4096, max_tokens=20_000, seed=5)
    assert layout.stopped == "max_tokens" and 16_000 < layout.tokens[-1] <= 20_000
    assert len(lay_out(LENGTHS, epochs=3, rows=8, tokens=4096, max_tokens=1, seed=5).batches) == 1


def test_a_fraction_of_an_epoch() -> None:
    whole = lay_out(LENGTHS, epochs=1, rows=8, tokens=4096, max_tokens=None, seed=5)
    half = lay_out(LENGTHS, epochs=0.5, rows=8, tokens=4096, max_tokens=None, seed=5)
    assert half.batches == whole.batches[: len(half.batches)] and len(half.batches) == -(-len(whole.batches) // 2)


def test_forward_passes_bound_tokens_and_padding() -> None:
    lengths = [100, 300, 104, 301, 900, 20]
    parts = passes(lengths, 640)
    assert sorted(i for p in parts for i in p) == list(range(6))
    assert [4] in parts and [5] in parts
    for part in parts:
        longest, shortest = max(lengths[i] for i in part), min(lengths[i] for i in part)
        assert longest <= STRETCH * shortest and (len(part) == 1 or len(part) * longest <= 640)
