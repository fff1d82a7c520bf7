from __future__ import annotations

import asyncio
import random

import pytest

from zoo.teachers.budget import Outcome, in_order


def spent(costs: list[int], budget: int | None, concurrency: int, seed: int) -> list[tuple[int, int]]:
    """(item, calls it made) of a run whose answers arrive in an order that the seed decides; no item needs more than
    6."""
    chance = random.Random(seed)

    async def work(item: int, limit: int) -> Outcome[tuple[int, int]]:
        await asyncio.sleep(chance.random() / 500)
        calls = min(costs[item], limit)
        return Outcome((item, calls), calls)

    return asyncio.run(in_order(range(len(costs)), work, lambda _: 6, budget, concurrency))


@pytest.mark.parametrize("budget", [0, 1, 4, 7, 30, 61, 1000, None])
def test_who_is_asked_how_much_does_not_depend_on_the_order_of_answers(budget: int | None) -> None:
    costs = [random.Random(1).randint(1, 6) for _ in range(30)]
    runs = [spent(costs, budget, concurrency, seed) for seed in range(4) for concurrency in (1, 3, 16)]
    assert all(run == runs[0] for run in runs)
    calls = sum(c for _, c in runs[0])
    whole = sum(costs)
    assert calls == (whole if budget is None else min(budget, whole))


def test_a_failure_ends_the_others() -> None:
    async def work(item: int, limit: int) -> Outcome[int]:
        if item == 2:
            raise RuntimeError("two")
        await asyncio.sleep(30)
        return Outcome(item, 1)

    with pytest.raises(RuntimeError, match="two"):
        asyncio.run(in_order(range(9), work, lambda _: 1, None, 4))
