from __future__ import annotations

import random

import pytest

from zoo.evaluation.paired import paired_difference


def test_a_constant_difference_has_no_spread() -> None:
    found = paired_difference([1.0] * 20, [0.5] * 20, 1000, 0)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_the_interval_is_that_of_the_normal_where_it_should_be() -> None:
    chance = random.Random(0)
    model = [float(chance.random() < 0.6) for _ in range(400)]
    base = [float(chance.random() < 0.5) for _ in range(400)]
    found = paired_difference(model, base, 10_000, 1)
    gaps = [m - b for m, b in zip(model, base, strict=True)]
    mean = sum(gaps) / 400
    spread = (sum((g - mean) ** 2 for g in gaps) / 400 / 400) ** 0.5
    assert found.value == pytest.approx(mean)
    assert found.low == pytest.approx(mean - 1.96 * spread, abs=0.005)
    assert found.high == pytest.approx(mean + 1.96 * spread, abs=0.005)


def test_pairing_narrows_the_interval() -> None:
    chance = random.Random(0)
    base = [float(chance.random() < 0.5) for _ in range(300)]
    model = [1.0 if n % 20 == 0 else b for n, b in enumerate(base)]
    shuffled = base[:]
    chance.shuffle(shuffled)
    paired, loose = (paired_difference(model, other, 2000, 0) for other in (base, shuffled))
    assert paired.high - paired.low < (loose.high - loose.low) / 2


def test_the_seed_decides_and_draws_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model, base = [1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0]
    one = paired_difference(model, base, 500, 3)
    assert one == paired_difference(model, base, 500, 3)
    monkeypatch.setattr("zoo.evaluation.paired._AT_ONCE", 40)
    assert paired_difference(model, base, 500, 3) == one


def test_scores_that_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="not pairs"):
        paired_difference([1.0], [1.0, 0.0], 10, 0)
