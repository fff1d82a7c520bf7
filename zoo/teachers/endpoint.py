"""A teacher behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
import random
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zoo.console import say
from zoo.errors import ZooError
from zoo.teachers import Answer, Request, Unanswered
from zoo.teachers.chosen import Endpoint
from zoo.teachers.pace import Pace, Turn
from zoo.teachers.wire import Malformed, Wire, filtered, hopeless, parsed, passing, said

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

OPENAI = "https://api.openai.com/v1"
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
LONG_WAIT_S = 20.0  # without a word the run would look stuck
PATIENCE_S = 900.0  # with a server that only ever answers that it is asked too often


def address(url: str | None) -> str:
    """Scheme, host, port and path of an endpoint: no user, password or query, where keys are put."""
    parts = urlsplit(url or OPENAI)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path.rstrip('/')}"


class _Again(Exception):
    """A try that failed and may be followed by another, after `wait` seconds or, where None, after one's own count.
    `counts` is whether it uses up one of the retries."""

    def __init__(self, why: str, wait: float | None = None, counts: bool = True) -> None:
        super().__init__(why)
        self.wait, self.counts = wait, counts


class EndpointTeacher:
    """Asks over HTTP, at the pace that the server keeps up with, of which `concurrency` is the ceiling. Each try has
    `timeout_s` seconds in all. Timeouts, lost connections, 408, 409 and 5xx are tried `retries` times more, after the
    time the server asks for, else, or where that is none, after twice as long each time; 429 as long as the server answers others."""

    def __init__(
        self, endpoint: Endpoint, timeout_s: float, retries: int, concurrency: int, answer_tokens: int
    ) -> None:
        self.model = endpoint.model
        self.where = address(endpoint.url)
        self.places: tuple[str, ...] = (self.where,)
        self.answer_tokens = answer_tokens
        self.pace = Pace(concurrency)
        self.wire = Wire(endpoint.model)
        self._timeout_s, self._retries = timeout_s, retries
        self._asked = 0
        self._answered = 0.0
        self._left_alone = 0.0
        self._endpoint = endpoint

    @cached_property
    def _client(self) -> AsyncOpenAI:
        import httpx2
        from openai import AsyncOpenAI, DefaultAioHttpClient

        # aiohttp takes half the processor time of the client's own transport; to it 0 connections are any number, while
        # None are 100. The retries are ours: the client's would run inside one timeout, and a stuck try would use it up.
        return AsyncOpenAI(
            base_url=self._endpoint.url or OPENAI, api_key=self._endpoint.key, max_retries=0, timeout=self._timeout_s,
            http_client=DefaultAioHttpClient(limits=httpx2.Limits(max_connections=0, max_keepalive_connections=None)),
        )  # fmt: skip

    @property
    def load(self) -> float:
        """Requests that are under way or waiting, of those that the server is sent at a time; above 1 where some wait."""
        return self._asked / self.pace.limit

    async def close(self) -> None:
        if "_client" in self.__dict__:
            await self._client.close()

    async def ask(self, request: Request) -> Answer:
        """Raises `Unanswered` after the last retry or for a request the server will not take; ZooError where the key,
        the model or the account is refused, as no other request would fare better."""
        self._asked += 1
        try:
            return await self._asking(request)
        finally:
            self._asked -= 1

    async def _asking(self, request: Request) -> Answer:
        from openai import APIStatusError

        client = self._client  # making one takes as long as some answers, which those who wait for the first would not
        await self.wire.cleared(request)
        form, tries, waits, began = None, 0, 0, time.monotonic()
        while True:
            body = self.wire.body(request, form)
            try:
                answer = await self._try(client, body)
                self.wire.answered(request, body)
                return answer
            except APIStatusError as e:
                if self.wire.learned(e.status_code, said(e), body):
                    form = None
                elif filtered(e.status_code, e.body):
                    return Answer("", "filtered", place=self.where)
                elif (form := self.wire.simpler(e.status_code, request, body)) is None:
                    raise Unanswered(f"status {e.status_code}: {said(e)}", final=True) from e
            except _Again as e:
                tries, waits = tries + e.counts, waits + 1
                silent = time.monotonic() - max(began, self._answered)
                if tries > self._retries or (not e.counts and silent > PATIENCE_S):
                    raise Unanswered(f"{e} ({waits} tries)") from e
                own = min(FIRST_WAIT_S * 2 ** min(waits - 1, 10), LONGEST_WAIT_S) * random.uniform(0.75, 1.0)
                await asyncio.sleep(own if e.wait is None or e.wait < FIRST_WAIT_S else e.wait)

    async def _try(self, client: AsyncOpenAI, body: dict[str, Any]) -> Answer:
        """Raises `_Again`, ZooError, or the client's error for a status that another try would not change."""
        import httpx2
        from aiohttp import ClientError
        from openai import APIConnectionError, APIStatusError

        turn = await self.pace.begin()
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await client.post("/chat/completions", cast_to=httpx2.Response, body=body)
            answer = parsed(reply.content, self.where)
        except APIStatusError as e:
            raise self._again(e, turn) or e from e
        except TimeoutError as e:
            self.pace.overloaded(turn)
            raise _Again(f"no answer within {self._timeout_s:g} s") from e
        except Malformed as e:
            self.pace.overloaded(turn)
            raise _Again(str(e)) from e
        except (APIConnectionError, ClientError, ValueError) as e:  # what is no HTTP comes as aiohttp's own error
            self.pace.overloaded(turn)
            raise _Again(f"connection: {' '.join(str(_innermost(e)).split())[:300]}") from e
        finally:
            self.pace.end(turn)
        self._answered = time.monotonic()
        self.pace.answered(turn, reply.headers.items(), answer.tokens_in, answer.tokens_out)
        return answer

    def _again(self, error: APIStatusError, turn: Turn) -> _Again | None:
        """Whether the same request may fare better later. Raises ZooError where no request can."""
        status, words = error.status_code, said(error)
        if why := hopeless(error, self.where):
            raise ZooError(why)
        if status == 404 and not self.wire.blames(status, words):
            raise ZooError(
                f"The teacher at {self.where} knows no model {self.model!r} (status 404); "
                "check --teacher-model and --teacher-url."
            )
        if not passing(status) or self.wire.blames(status, words):
            return None
        wait = self.pace.overloaded(turn, error.response.headers)
        if wait is not None and wait >= LONG_WAIT_S and time.monotonic() >= self._left_alone:
            self._left_alone = time.monotonic() + wait
            say(f"  the teacher at {self.where} asks for {wait:.0f} s without requests (status {status})")
        return _Again(f"status {status}: {words}", wait, counts=status != 429)


def _innermost(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
