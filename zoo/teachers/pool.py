"""Several servers of one model as one teacher: each request goes to the server with the most room."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.teachers import Answer, Request, Unanswered
from zoo.teachers.chosen import Endpoint
from zoo.teachers.endpoint import EndpointTeacher

FIRST_REST_S, LONGEST_REST_S = 5.0, 60.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0


@dataclass(eq=False)
class _Server:
    teacher: EndpointTeacher
    last: int = 0  # the turn at which it was asked last
    failures: int = 0  # since its last answer
    rested: float = 0.0  # when it is worth trying again

    def rank(self) -> tuple[bool, float, int]:
        """Smaller is better. One that has failed comes last while it rests, and is then given one request at a time
        until it answers."""
        out = time.monotonic() < self.rested or (self.failures > 0 and self.teacher.load > 0)
        return out, self.teacher.load, self.last


class PoolTeacher:
    """`concurrency` requests at a time for each server. One that drops connections, times out or is out of order has its
    requests moved to the others and is left alone for a while, longer each time; a request fails when every server has
    failed it, and `retries` times more. Answers name the server they came from."""

    def __init__(
        self, endpoints: Sequence[Endpoint], timeout_s: float, retries: int, concurrency: int, answer_tokens: int
    ) -> None:
        # One try each: while a server waits to be tried again another may answer.
        self._servers = [_Server(EndpointTeacher(e, timeout_s, 0, concurrency, answer_tokens)) for e in endpoints]
        self._rounds, self._turns = retries + 1, 0
        self.model = endpoints[0].model
        self.places: tuple[str, ...] = tuple(s.teacher.places[0] for s in self._servers)
        self.answer_tokens = answer_tokens

    async def ask(self, request: Request) -> Answer:
        """Raises `Unanswered` where every server failed, or one will not take the request; ZooError where a server
        refuses the key or the model, as it is not one of those that were meant."""
        why = ""
        for n in range(self._rounds):
            if n:
                wait = min(_FIRST_WAIT_S * 2**n, _LONGEST_WAIT_S)
                await asyncio.sleep(wait * random.uniform(0.75, 1.0))
            untried = list(self._servers)
            while untried:
                server = min(untried, key=_Server.rank)
                untried.remove(server)
                try:
                    return await self._asked(server, request)
                except Unanswered as e:
                    if e.final:
                        raise
                    why = f"{server.teacher.places[0]}: {e}"
        raise Unanswered(f"none of {len(self._servers)} servers answers; last {why}")

    async def _asked(self, server: _Server, request: Request) -> Answer:
        self._turns += 1
        server.last = self._turns
        before = server.failures
        try:
            answer = await server.teacher.ask(request)
        except Unanswered as e:
            # Those that were under way together fail together: that counts once.
            if not e.final and server.failures == before:
                server.failures += 1
                rest = min(FIRST_REST_S * 2 ** (server.failures - 1), LONGEST_REST_S)
                server.rested = time.monotonic() + rest
            raise
        server.failures, server.rested = 0, 0.0
        return answer

    async def close(self) -> None:
        await asyncio.gather(*(s.teacher.close() for s in self._servers))
