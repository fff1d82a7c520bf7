"""Many items at a time within a budget of calls, with the same items taken however their answers arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What came of an item, and the calls it cost."""

    row: R
    calls: int


async def in_order(
    items: Sequence[I],
    work: Callable[[I, int], Awaitable[Outcome[R]]],
    most: Callable[[I], int],
    budget: int | None,
    concurrency: int,
) -> list[R]:
    """The rows of the first items that fit the budget, in the items' order, `concurrency` of them under way at a
    time. `work` gets an item and the calls it may make.

    An item starts when the calls its predecessors have cost, or at the most may yet cost, leave the most it may need.
    Near the budget's end, where they do not, it waits for all of them and starts with the calls that are truly left.
    So what an item may spend follows from its predecessors' true costs: which one finished first decides nothing.
    """
    rows: list[R | None] = [None] * len(items)
    running: dict[asyncio.Task[Outcome[R]], tuple[int, int]] = {}
    committed, begun = 0, 0

    def allowed() -> int:
        if begun == len(items):
            return 0
        needs = most(items[begun])
        left = needs if budget is None else budget - committed
        return needs if left >= needs else 0 if running else max(left, 0)

    try:
        while True:
            while len(running) < concurrency and (limit := allowed()):
                running[asyncio.ensure_future(work(items[begun], limit))] = (begun, limit)
                committed += limit
                begun += 1
            if not running:
                break
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                n, limit = running.pop(task)
                outcome = task.result()
                committed += outcome.calls - limit
                rows[n] = outcome.row
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return [row for row in rows[:begun] if row is not None]
