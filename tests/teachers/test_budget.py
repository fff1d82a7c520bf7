"""Who is asked, and what may be spent, within budgets of calls, tokens and money."""

from __future__ import annotations

import asyncio
import random
import time
import tracemalloc

import pytest

from zoo.teachers.budget import Ended, Limits, Outcome, Spend, in_order

Row = tuple[int, Spend]
MOST = Spend(6, 300, 60, 900)  # of an item


def costs(n: int) -> list[Spend]:
    chance = random.Random(1)
    return [Spend(chance.randint(1, 6), *(chance.randint(1, m) for m in MOST[1:])) for _ in range(n)]


def spent(each: list[Spend], budget: Limits, concurrency: int, seed: int, failing: int = 0) -> tuple[list[Row], Ended]:
    """What each item spent, in a run whose answers arrive in an order that the seed decides; `failing` of ten items get
    no answer at first. An item that may not spend what it needs leaves the rest out, as an annotator does."""
    chance = random.Random(seed)
    rows: dict[int, Spend] = {}

    async def work(item: int, limit: Limits, second: bool) -> Outcome[int]:
        await asyncio.sleep(chance.random() / 500)
        if not second and chance.randrange(10) < failing:
            return Outcome(item, Spend(calls=1), again=True)
        over = limit.over(each[item])
        if not over:
            return Outcome(item, each[item])
        calls = min(each[item].calls - 1, limit.calls if limit.calls is not None else 1)
        part = Spend(calls, 1, 0, 1) if calls and not limit.over(Spend(calls, 1, 0, 1)) else Spend()
        return Outcome(item, part, short=over[0])

    def done(number: int, item: int, outcome: Outcome[int]) -> None:
        assert number == item == outcome.row and number not in rows
        rows[number] = outcome.spent

    ended = asyncio.run(in_order(range(len(each)), work, lambda _: MOST, budget, concurrency, done))
    assert sorted(rows) == list(range(ended.begun))
    return sorted(rows.items()), ended


@pytest.mark.parametrize(
    "budget",
    [
        Limits(), *(Limits(calls=n) for n in (0, 1, 4, 7, 30, 61, 1000)), *(Limits(tokens=n) for n in (0, 100, 361, 2000, 4000)),
        *(Limits(cost=n) for n in (0, 900, 5000)), Limits(60, 3000, 9000), Limits(20, 100_000, 100_000),
    ],
)  # fmt: skip
def test_who_may_spend_what_does_not_depend_on_the_order_of_answers(budget: Limits) -> None:
    each = costs(30)
    first, ended = spent(each, budget, 1, 0)
    for seed in range(4):
        for concurrency in (1, 3, 16):
            for failing in (0, 3):
                rows, again = spent(each, budget, concurrency, seed, failing)
                assert rows == first and again == ended
    whole = Spend(*map(sum, zip(*[s for _, s in first], strict=True))) if first else Spend()
    assert ended.spent == whole and not budget.over(whole)
    assert (ended.limit is None) == (len(first) == 30)
    if ended.limit:
        assert getattr(budget, ended.limit) is not None


def test_a_budget_of_calls_is_used_up() -> None:
    async def work(item: int, limit: Limits, second: bool) -> Outcome[int]:
        assert limit.calls is not None
        return Outcome(item, Spend(min(4, limit.calls)))

    ended = asyncio.run(in_order(range(30), work, lambda _: Spend(6), Limits(calls=30), 5, lambda *_: None))
    assert (ended.begun, ended.spent.calls, ended.limit) == (8, 30, "calls")


def test_a_failure_ends_the_others() -> None:
    async def work(item: int, limit: Limits, second: bool) -> Outcome[int]:
        if item == 2:
            raise RuntimeError("two")
        await asyncio.sleep(30)
        return Outcome(item, Spend(1))

    with pytest.raises(RuntimeError, match="two"):
        asyncio.run(in_order(range(9), work, lambda _: Spend(1), Limits(), 4, lambda *_: None))


def test_what_was_not_answered_has_one_more_turn_once_the_others_are_done() -> None:
    order: list[tuple[int, bool]] = []

    async def work(item: int, limit: Limits, second: bool) -> Outcome[int]:
        order.append((item, second))
        await asyncio.sleep(0)
        return Outcome(item, Spend(1), again=item in (1, 3))

    got: list[int] = []
    asyncio.run(in_order(range(6), work, lambda _: Spend(1), Limits(), 2, lambda n, i, o: got.append(n)))
    assert sorted(order[:6]) == [(n, False) for n in range(6)] and sorted(order[6:]) == [(1, True), (3, True)]
    assert sorted(got) == list(range(6)) and sorted(got[-2:]) == [1, 3]


def stuck_first(count: int, concurrency: int) -> float:
    """Seconds that `count` items take, of which the first is stuck until all others are done."""

    async def run() -> None:
        free, left = asyncio.Event(), count - 1

        async def work(item: int, limit: Limits, second: bool) -> Outcome[bytes]:
            await (asyncio.sleep(0) if item else free.wait())
            return Outcome(bytes(1000), Spend(1, 10, 10))

        def done(number: int, item: int, outcome: Outcome[bytes]) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                free.set()

        ended = await in_order(iter(range(count)), work, lambda _: Spend(2), Limits(), concurrency, done)
        assert ended.begun == ended.spent.calls == count

    began = time.perf_counter()
    asyncio.run(run())
    return time.perf_counter() - began


def test_items_pass_one_that_is_stuck_and_nothing_is_kept_of_them() -> None:
    tracemalloc.start()
    try:
        stuck_first(20_000, 64)
        assert tracemalloc.get_traced_memory()[1] < 2 * 2**20  # the rows alone are ten times that
    finally:
        tracemalloc.stop()


def test_an_item_costs_no_more_where_more_are_under_way() -> None:
    narrow = min(stuck_first(10_000, 8) for _ in range(3))
    wide = min(stuck_first(10_000, 2000) for _ in range(3))
    assert wide < 4 * narrow
