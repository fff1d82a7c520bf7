from __future__ import annotations

import random
from typing import Any

import pytest
from pydantic import ValidationError

from zoo.api import Citation, Example
from zoo.settings import FinetuneSettings
from zoo.training.batches import STRETCH, epoch_batches, lay_out, passes
from zoo.training.levels import level_of

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


LEVELS = [random.Random(f"level {n}").randint(0, 2) for n in range(300)]


def of_levels(batches: list[list[int]]) -> list[set[int]]:
    return [{LEVELS[i] for i in b} for b in batches]


def test_from_basic_to_complex_easier_rows_come_first_in_every_epoch_and_each_row_once() -> None:
    given: dict[str, Any] = {"rows": 8, "tokens": 2000, "max_tokens": None, "seed": 5}
    layout = lay_out(LENGTHS, epochs=2, levels=LEVELS, **given)
    half = len(layout.batches) // 2
    one, two = layout.batches[:half], layout.batches[half:]
    for epoch in (one, two):
        assert sorted(i for b in epoch for i in b) == list(range(len(LENGTHS)))
        assert [min(x) for x in of_levels(epoch)] == sorted(max(x) for x in of_levels(epoch))
    assert one != two and layout == lay_out(LENGTHS, epochs=2, levels=LEVELS, **given)
    assert layout.tokens[-1] == 2 * sum(LENGTHS)


@pytest.mark.parametrize("most", [None, 40_000])
def test_rounds_take_the_harder_rows_in_one_after_the_other_at_equal_tokens(most: int | None) -> None:
    given: dict[str, Any] = {"epochs": 2, "rows": 8, "tokens": 2000, "max_tokens": most, "seed": 5, "levels": LEVELS}
    plain, layout = lay_out(LENGTHS, **given), lay_out(LENGTHS, rounds=3, **given)
    whole = plain.tokens[-1]
    assert whole - 2000 <= layout.tokens[-1] <= whole and layout.stopped == plain.stopped
    for level in (1, 2):
        first = next(n for n, of in enumerate(of_levels(layout.batches)) if level in of)
        # A round may end up to a batch early, and its first batches may have none of what is new in it.
        assert -2000 <= layout.tokens[first] - whole * level // 3 <= 3 * 2000
    assert layout == lay_out(LENGTHS, rounds=3, **given)
    assert set().union(*of_levels(lay_out(LENGTHS, rounds=2, **given).batches)) == {0, 1, 2}


def test_rounds_without_basic_rows_begin_with_the_easiest_there_are() -> None:
    layout = lay_out(
        [100] * 30, epochs=2, rows=4, tokens=1000, max_tokens=None, seed=0, levels=[1] * 15 + [2] * 15, rounds=2
    )
    assert {i for b in layout.batches[:5] for i in b} <= set(range(15))
    assert {i for b in layout.batches for i in b} == set(range(30))


@pytest.mark.parametrize(
    ("changed", "level"),
    [
        ({}, "basic"),
        ({"reasoning": "One is given first. Two is not."}, "basic"),
        ({"reasoning": "One is given. Two is not. So it is one."}, "intermediate"),
        ({"reasoning": "\n".join("abcde")}, "complex"),
        ({"citations": [Citation(quote=q) for q in "ab"]}, "intermediate"),
        ({"citations": [Citation(quote=q) for q in "abc"]}, "complex"),
        ({"reasoning": "\n".join("abcde"), "level": "basic"}, "basic"),
    ],
)
def test_a_level_is_as_declared_or_by_steps_and_cited_places(changed: dict[str, Any], level: str) -> None:
    common: dict[str, Any] = {"id": "e", "kind": "short", "question": "?", "answer": "a", "origin": "person"}
    assert level_of(Example(source="s", licence="MIT", **common, **changed)) == level


def test_rounds_without_an_order_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"set finetune\.order=basic_to_complex"):
        FinetuneSettings(rounds=2)
    assert FinetuneSettings(rounds=2, order="basic_to_complex").rounds == 2
