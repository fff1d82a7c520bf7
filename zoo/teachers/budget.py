"""Many items at a time within budgets of calls, tokens and money, with the same items taken however their answers
arrive."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")
_PAUSE = 64
PICO = 10**12  # cost is counted in whole millionths of a millionth of a USD, so that the order of a sum decides nothing


class Spend(NamedTuple):
    """What calls take: their number, tokens in and out, and cost in 1e-12 USD."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: int = 0

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out

    def plus(self, other: Spend) -> Spend:
        return Spend(*(a + b for a, b in zip(self, other, strict=True)))

    def less(self, other: Spend) -> Spend:
        return Spend(*(a - b for a, b in zip(self, other, strict=True)))


NOTHING = Spend()


class Limits(NamedTuple):
    """The most that may be spent of each: calls, tokens in and out together, cost in 1e-12 USD. None has no limit."""

    calls: int | None = None
    tokens: int | None = None
    cost: int | None = None

    def left(self, spent: Spend) -> Limits:
        return Limits(*(None if most is None else most - used for most, used in zip(self, _of(spent), strict=True)))

    def over(self, spend: Spend) -> list[str]:
        """The names of the limits that `spend` would be over."""
        pairs = zip(self._fields, self, _of(spend), strict=True)
        return [name for name, most, used in pairs if most is not None and used > most]

    def at_most(self, spend: Spend) -> Limits:
        """What `spend` needs, where that much is left; else what is left."""
        return Limits(
            *(None if most is None else max(min(most, used), 0) for most, used in zip(self, _of(spend), strict=True))
        )

    def spend(self) -> Spend:
        """A reservation of all of it."""
        return Spend(self.calls or 0, self.tokens or 0, 0, self.cost or 0)


UNLIMITED = Limits()


def _of(spend: Spend) -> tuple[int, int, int]:
    return spend.calls, spend.tokens, spend.cost


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What came of an item, and what it cost. `short` names the limit for which a call was left out; `again` says that the
    teacher did not answer, which another time it may."""

    row: R
    spent: Spend
    short: str | None = None
    again: bool = False


@dataclass
class Ended:
    """How many items were begun, what they cost in all, and the limit that left the others out."""

    begun: int = 0
    spent: Spend = NOTHING
    limit: str | None = None


Work = Callable[[I, Limits, bool], Awaitable[Outcome[R]]]


async def in_order(
    items: Iterable[I],
    work: Work[I, R],
    most: Callable[[I], Spend],
    budget: Limits,
    concurrency: int,
    done: Callable[[int, I, Outcome[R]], None],
) -> Ended:
    """Works on the first items that fit the budget, `concurrency` of them under way at a time, and gives each with its
    number to `done` as it is finished, in whatever order. `work` gets an item, what it may spend, and whether it is its
    second turn.

    An item starts when what its predecessors have cost, or at the most may yet cost, leaves the most it may need. Near the
    budget's end, where it does not, it waits for all of them and starts with what is truly left. So what an item may
    spend follows from its predecessors' true costs: which one finished first decides nothing.

    An item that the teacher did not answer is put aside, with what it may spend, and has one more turn once nothing else
    can go on.
    """
    return await _Line(items, work, most, budget, concurrency, done).run()


class _Line(Generic[I, R]):
    def __init__(
        self,
        items: Iterable[I],
        work: Work[I, R],
        most: Callable[[I], Spend],
        budget: Limits,
        concurrency: int,
        done: Callable[[int, I, Outcome[R]], None],
    ) -> None:
        self._items, self._work, self._most, self._done = iter(items), work, most, done
        self._budget, self._concurrency = budget, concurrency
        self._next: tuple[I, Spend] | None = None
        self._running: dict[asyncio.Task[Outcome[R]], tuple[int, I, Limits, list[str], bool]] = {}
        # Callbacks put tasks here as they finish: waiting on the whole set would cost its size each time.
        self._finished: asyncio.Queue[asyncio.Task[Outcome[R]]] = asyncio.Queue()
        self._aside: deque[tuple[int, I, Limits, list[str]]] = deque()
        self._committed = NOTHING
        self._turning = False
        self._ended = Ended()

    async def run(self) -> Ended:
        try:
            while True:
                await self._fill()
                if not self._running:
                    self._turning = bool(self._aside)
                if self._turning:
                    self._second_turns()
                if not self._running:
                    return self._ended
                self._settle(await self._finished.get())
                while not self._finished.empty():
                    self._settle(self._finished.get_nowait())
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _fill(self) -> None:
        while len(self._running) < self._concurrency and self._ended.limit is None:
            if self._ended.begun % _PAUSE == 0:  # thousands may start at once: what is under way goes on meanwhile
                await asyncio.sleep(0)
            if self._next is None:
                for item in self._items:
                    self._next = item, self._most(item)
                    break
                else:
                    return
            item, needs = self._next
            left = self._budget.left(self._committed)
            over = left.over(needs)
            if over and (self._running or self._aside):
                return
            allowed = left.at_most(needs)
            if spent_up := [name for name in over if getattr(allowed, name) == 0]:
                self._ended.limit = spent_up[0]
                return
            self._next = None
            self._start(self._ended.begun, item, allowed, over)
            self._ended.begun += 1
            self._committed = self._committed.plus(allowed.spend())

    def _second_turns(self) -> None:
        while self._aside and len(self._running) < self._concurrency:
            n, item, allowed, less = self._aside.popleft()
            self._start(n, item, allowed, less, second=True)

    def _start(self, n: int, item: I, allowed: Limits, less: list[str], second: bool = False) -> None:
        task = asyncio.ensure_future(self._work(item, allowed, second))
        self._running[task] = n, item, allowed, less, second
        task.add_done_callback(self._finished.put_nowait)

    def _settle(self, task: asyncio.Task[Outcome[R]]) -> None:
        n, item, allowed, less, second = self._running.pop(task)
        outcome = task.result()
        if outcome.again and not second:
            self._aside.append((n, item, allowed, less))
            return
        self._committed = self._committed.less(allowed.spend()).plus(outcome.spent)
        self._ended.spent = self._ended.spent.plus(outcome.spent)
        if outcome.short in less:  # it had less than it may need, and that did not do
            self._ended.limit = outcome.short
            if not outcome.spent.calls:
                self._ended.begun -= 1  # nothing was asked about it: it is as those behind it
                return
        self._done(n, item, outcome)
