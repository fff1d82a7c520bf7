"""The pace against a server of this process: so many slots, so many seconds an answer, the rest queues."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from zoo.teachers.pace import FIRST, Pace


class Slots:
    def __init__(self, slots: int, seconds: float) -> None:
        self._slots, self._seconds = asyncio.Semaphore(slots), seconds
        self.most = self.now = 0

    async def serve(self, pace: Pace, calls: int, tokens: int = 10) -> None:
        async def one() -> None:
            turn = await pace.begin()
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                async with self._slots:
                    await asyncio.sleep(self._seconds)
                pace.answered(turn, tokens_out=tokens)
            finally:
                self.now -= 1
                pace.end(turn)

        await asyncio.gather(*(one() for _ in range(calls)))


@pytest.mark.parametrize(("slots", "calls"), [(2, 100), (16, 700), (48, 1500)])
def test_the_limit_settles_a_little_above_what_the_server_does_at_once(slots: int, calls: int) -> None:
    async def run() -> Pace:
        pace = Pace(400)
        await Slots(slots, 0.05).serve(pace, calls)
        return pace

    pace = asyncio.run(run())
    assert slots <= pace.limit <= 3 * slots


def test_a_server_that_never_slows_down_is_sent_all_that_is_allowed_and_no_more() -> None:
    async def run() -> tuple[Pace, Slots]:
        pace, server = Pace(60), Slots(1000, 0.05)
        await server.serve(pace, 700)
        return pace, server

    pace, server = asyncio.run(run())
    assert pace.limit == server.most == 60


def test_a_slow_server_is_not_sent_a_crowd_before_it_has_answered() -> None:
    async def run() -> int:
        server = Slots(1, 0.7)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.serve(Pace(100), 20), 0.6)
        return server.most

    assert asyncio.run(run()) == FIRST


def test_an_overload_makes_the_limit_smaller_once_for_all_that_was_under_way_and_it_recovers() -> None:
    async def run() -> tuple[int, int, int]:
        pace = Pace(100)
        await Slots(50, 0.02).serve(pace, 500)
        before = pace.limit
        turns = [await pace.begin() for _ in range(10)]
        for turn in turns:
            assert pace.overloaded(turn) is None
            pace.end(turn)
        after = pace.limit
        await Slots(50, 0.02).serve(pace, 1500)
        return before, after, pace.limit

    before, after, later = asyncio.run(run())
    assert before * 0.5 < after < before * 0.7
    assert later >= 0.9 * before or later >= 50


def test_nothing_is_begun_while_the_server_asks_to_be_left_alone() -> None:
    async def run() -> float:
        pace = Pace(4)
        turn = await pace.begin()
        assert pace.overloaded(turn, {"retry-after": "0.3"}) == 0.3
        pace.end(turn)
        began = time.monotonic()
        await Slots(4, 0.01).serve(pace, 3)
        return time.monotonic() - began

    assert 0.3 <= asyncio.run(run()) < 1


@pytest.mark.parametrize(
    ("headers", "more"),
    [
        ({"x-ratelimit-remaining-requests": "2", "x-ratelimit-reset-requests": "300ms"}, 2),
        ({"x-ratelimit-remaining-tokens": "250", "x-ratelimit-reset-tokens": "0.3"}, 2),
    ],
)
def test_no_more_is_begun_than_the_headers_say_remains(headers: dict[str, str], more: int) -> None:
    async def run() -> tuple[int, int]:
        pace = Pace(50)
        first = await pace.begin()
        pace.answered(first, headers.items(), tokens_in=90, tokens_out=10)
        pace.end(first)
        waiting = [asyncio.ensure_future(pace.begin()) for _ in range(6)]
        await asyncio.sleep(0.1)
        before = sum(w.done() for w in waiting)
        await asyncio.sleep(0.4)
        return before, sum(w.done() for w in waiting)

    assert asyncio.run(run()) == (more, 6)


@pytest.mark.parametrize("left", [(0, 9), (9, 0)])
def test_of_requests_under_way_together_the_least_word_counts_whichever_reached_the_server_first(
    left: tuple[int, int],
) -> None:
    def word(remaining: int) -> dict[str, str]:
        return {"x-ratelimit-remaining-requests": str(remaining), "x-ratelimit-reset-requests": "300ms"}

    async def run() -> float:
        pace = Pace(50)
        for turn, remaining in zip([await pace.begin(), await pace.begin()], left, strict=True):
            pace.answered(turn, word(remaining).items())
            pace.end(turn)
        began = time.monotonic()
        pace.answered(later := await pace.begin(), word(9).items())  # begun after all that was said
        pace.end(later)
        waited = time.monotonic() - began
        await asyncio.wait_for(pace.begin(), 0.1)
        return waited

    assert asyncio.run(run()) >= 0.25


def test_stuck_requests_leave_their_places_to_others_up_to_the_ceiling() -> None:
    async def run() -> tuple[float, int, bool]:
        pace = Pace(6)
        await Slots(1, 0.02).serve(pace, 60)
        assert pace.limit < 4
        for _ in range(5):
            await asyncio.wait_for(pace.begin(), 5)  # of which no more is heard
        began = time.monotonic()
        await asyncio.wait_for(Slots(1, 0.01).serve(pace, 20), 5)
        took, stuck = time.monotonic() - began, len(pace._flying)
        await pace.begin()
        last = asyncio.ensure_future(pace.begin())
        await asyncio.sleep(1.5)
        return took, stuck, last.done()

    took, stuck, beyond = asyncio.run(run())
    assert took < 2 and stuck == 5 and not beyond


def test_who_is_cancelled_while_waiting_takes_nobodys_place() -> None:
    async def run() -> int:
        pace = Pace(1)
        first = await pace.begin()
        one, two = (asyncio.ensure_future(pace.begin()) for _ in range(2))
        await asyncio.sleep(0)
        pace.end(first)  # one has its place now and does not know yet
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)
        pace.end(await asyncio.wait_for(two, 1))
        return pace.in_flight

    assert asyncio.run(run()) == 0
