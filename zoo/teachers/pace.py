"""How many requests a server is sent at a time: as many as make it faster, and no more than it says it takes."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from zoo.teachers.ratelimit import allowances, retry_after

FIRST = 8
QUICK_S, QUICK_FIRST = 0.5, 64  # a server whose first answer is this quick may be sent so many at once
GROWTH, PROBE = 4.0, 1.25
ROOM = 1.25  # above the knee, so that the server's queue is never empty
FEWER, SLOWER = 0.6, 0.8
PROBE_WAVES = 8
STUCK_TIMES, STUCK_S = 5.0, 1.0  # a request under way for longer than both leaves its place to another


class Level(NamedTuple):
    """A limit, and the mean seconds an answer took under it, and took for each of its tokens."""

    limit: float
    latency: float
    per_token: float

    def gain(self, before: Level) -> float:
        """How many times as much is answered a second as before. Answers differ in length, so that either measure may
        look worse by chance: the better one counts."""
        held = max(before.latency / self.latency, before.per_token / self.per_token)
        return held * self.limit / before.limit


class Turn:
    """One request under way: its number, and when and at which level it began."""

    __slots__ = ("began", "level", "number", "stuck")

    def __init__(self, number: int, level: int) -> None:
        self.number, self.level, self.began, self.stuck = number, level, time.monotonic(), False


class Pace:
    """The limit on requests in flight grows while what the server answers a second grows with it. By Little's law that is
    limit / latency: where a larger limit has the latency grow alike, requests only queue, and the limit falls back to
    a little above the knee. Overload (429, 5xx, timeouts, lost connections) makes it smaller at once, and what the
    server's headers allow is kept to.

    `most` is never exceeded. One wave, as many answers as the limit, decides at a time, of requests that were begun
    under that limit while others had to wait.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._flying: dict[int, Turn] = {}
        self._stuck = 0  # of those, the first so many
        self._limit = float(min(FIRST, most))
        self._waiting: deque[asyncio.Future[Turn]] = deque()
        self._number = self._level = self._wave = 0
        self._growing, self._wanted = True, False
        self._count, self._sum, self._written = 0, 0.0, 0
        self._before: Level | None = None  # the level that stands
        self._latest: float | None = None  # seconds that the last answer took
        self._goal = float(most)
        self._resume = 0.0
        self._left: dict[str, float] = {}
        self._until: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._tokens = 0.0  # of an answer with its question, on the average
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        return max(1, int(self._limit))

    @property
    def in_flight(self) -> int:
        """Requests under way, without those that seem to be stuck."""
        return len(self._flying) - self._stuck

    async def begin(self) -> Turn:
        """Waits for room, in the order of asking."""
        if not self._waiting and self._has_room():
            return self._take()
        future: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._wanted = True
        self._admit()
        try:
            return await future
        except asyncio.CancelledError:
            # Room that was given at the same moment goes to the next.
            if future.done() and not future.cancelled():
                self.end(future.result())
            raise

    def _take(self) -> Turn:
        self._number += 1
        for of in self._left:
            self._left[of] -= self._tokens if of == "tokens" else 1
        turn = self._flying[self._number] = Turn(self._number, self._level)
        return turn

    def end(self, turn: Turn) -> None:
        """Whatever became of the request, its place is free."""
        del self._flying[turn.number]
        self._stuck -= turn.stuck
        self._admit()

    def answered(
        self, turn: Turn, headers: Iterable[tuple[str, str]] = (), tokens_in: int = 0, tokens_out: int = 0
    ) -> None:
        """An answer came; `headers` are its reply's."""
        tokens = tokens_in + tokens_out
        self._tokens = tokens if not self._tokens else 0.9 * self._tokens + 0.1 * tokens
        self._heed(turn, headers)
        took = self._latest = time.monotonic() - turn.began
        if self._level == 0 and self._before is None:
            # Nothing was before it in the server's queue, as if it had been alone.
            self._before = Level(1.0, took, took / max(tokens_out, 1))
            if took < QUICK_S:
                self._set(QUICK_FIRST)
                return
        if turn.level != self._level:
            return
        self._count, self._sum, self._written = self._count + 1, self._sum + took, self._written + max(tokens_out, 1)
        if self._count >= self.limit and self._wanted:
            self._judge(Level(self._limit, self._sum / self._count, self._sum / self._written))

    def overloaded(self, turn: Turn, headers: Mapping[str, str] | None = None) -> float | None:
        """The server had too much, or is in trouble. The seconds it asks to be left alone for, during which nothing is
        begun; None where it asks for none."""
        wait = retry_after(headers) if headers is not None else None
        if headers is not None:
            self._heed(turn, headers.items())
        if wait is not None:
            self._pause(wait)
        if turn.level == self._level:  # what was begun before the last change says nothing about the limit that is
            self._goal = self._limit
            self._growing = False
            self._before = None
            self._set(self._limit * FEWER)
        return wait

    def _judge(self, now: Level) -> None:
        """A wave is complete: what to do with the limit."""
        before, self._wave = self._before, self._wave + 1
        if before is None:
            self._recover(now)
        elif now.limit <= before.limit:
            self._hold(now, before)
        elif (gain := now.gain(before)) >= 1 + 0.5 * (now.limit / before.limit - 1):
            self._before = now
            self._growing = self._growing and now.limit < self.most
            self._set(now.limit * (GROWTH if self._growing else PROBE))
        else:
            if self._growing:
                # Answers a second grow in step with the limit up to the knee, and no further.
                self._before = before._replace(limit=min(before.limit * max(gain, 1.0) * ROOM, now.limit))
            self._growing = False
            self._set((self._before or before).limit)

    def _recover(self, now: Level) -> None:
        """After an overload: step by step back to what was too much then."""
        if now.limit < self._goal:
            self._set(min(self._goal, now.limit + max(1.0, now.limit * 0.1)))
        else:
            self._before = now
            self._again()

    def _hold(self, now: Level, before: Level) -> None:
        """The limit stands; now and then a larger one is tried, and one that has become too large is lowered."""
        slower = 1 / now.gain(before) * now.limit / before.limit
        share = 0.25 if slower > 2 else 0.1
        latency = before.latency + share * (now.latency - before.latency)
        per_token = before.per_token + share * (now.per_token - before.per_token)
        limit = max(before.limit * (SLOWER if slower > 2 else 1.0), 1.0)
        self._before = Level(limit, latency, per_token)
        if slower > 2:
            self._set(limit)
        elif self._wave % PROBE_WAVES == 0 and limit < self.most:
            self._set(limit * PROBE)
        else:
            self._again()

    def _set(self, limit: float) -> None:
        self._limit = min(max(limit, 1.0), float(self.most))
        self._level += 1
        self._again()
        self._admit()

    def _again(self) -> None:
        self._count, self._sum, self._written, self._wanted = 0, 0.0, 0, bool(self._waiting)

    def _heed(self, turn: Turn, headers: Iterable[tuple[str, str]]) -> None:
        """Keeps what the reply says remains, less what was begun since its request was: of that the server may not have
        known yet. Requests that were under way together may have reached it in any order: of their words the least
        counts, until its time is over."""
        now = time.monotonic()
        for allowed in allowances(headers):
            of, since = allowed.of, self._number - turn.number
            left = allowed.remaining - since * (self._tokens if of == "tokens" else 1)
            together = turn.began < self._told.get(of, 0.0) and self._until.get(of, 0.0) > now
            self._told[of] = now
            if not together or left <= self._left[of]:
                self._left[of], self._until[of] = left, now + allowed.reset_s

    def _pause(self, seconds: float) -> None:
        self._resume = max(self._resume, time.monotonic() + seconds)

    def _has_room(self) -> bool:
        return len(self._flying) < self.most and self._free_at() <= 0 and self._resume_at() <= 0

    def _free_at(self) -> float:
        """Seconds until a place is free though nobody ends: when the eldest request under way will count as stuck."""
        while self.in_flight >= self.limit:
            eldest = next(itertools.islice(self._flying.values(), self._stuck, None))
            usual = self._before.latency if self._before else self._latest
            if usual is None:
                return math.inf
            wait = eldest.began + max(STUCK_TIMES * usual, STUCK_S) - time.monotonic()
            if wait > 0:
                return wait
            eldest.stuck = True
            self._stuck += 1
        return 0.0

    def _resume_at(self) -> float:
        """Seconds until the server is to be asked again; 0 or less where it may be now."""
        now = time.monotonic()
        wait = self._resume - now
        for of, left in list(self._left.items()):
            if self._until[of] <= now:
                del self._left[of], self._until[of]
            elif left < max(self._tokens if of == "tokens" else 1.0, 1.0):
                wait = max(wait, self._until[of] - now)
        return wait

    def _admit(self) -> None:
        while self._waiting and self._has_room():
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(self._take())
        if self._waiting and len(self._flying) < self.most:
            self._look_again(max(self._free_at(), self._resume_at()))

    def _look_again(self, wait: float) -> None:
        loop = asyncio.get_running_loop()
        if math.isinf(wait) or (self._timer and loop.time() < self._timer.when() <= loop.time() + wait):
            return
        if self._timer:
            self._timer.cancel()
        self._timer = loop.call_later(wait, self._admit)
