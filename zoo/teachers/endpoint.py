"""A teacher behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
import random
import re
import time
from email.utils import mktime_tz, parsedate_tz
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zoo.errors import ZooError
from zoo.teachers import Answer, Finish, Request, Unanswered
from zoo.teachers.chosen import Endpoint

if TYPE_CHECKING:
    from openai import APIStatusError

OPENAI = "https://api.openai.com/v1"
FIRST_WAIT_S, LONGEST_WAIT_S, LONGEST_RETRY_AFTER_S = 0.5, 30.0, 600.0
# A parameter that a server may not know, and what it says then.
_OPTIONAL = {
    "response_format": re.compile(r"response_format|json_schema|guided|structured output", re.I),
    "max_tokens": re.compile(r"max_completion_tokens"),
    "temperature": re.compile(r"temperature.*(support|default)", re.I | re.S),
}


def address(url: str | None) -> str:
    """Scheme, host, port and path of an endpoint: no user, password or query, where keys are put."""
    parts = urlsplit(url or OPENAI)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path.rstrip('/')}"


def retry_after(headers: Any) -> float | None:
    """Seconds that a `Retry-After` header asks to wait, given in seconds or as a date; None without one that can be
    read."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        date = parsedate_tz(value)
        if date is None:
            return None
        seconds = mktime_tz(date) - time.time()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S) if seconds == seconds else None


class EndpointTeacher:
    """Asks over HTTP. Each try has `timeout_s` seconds in all; 408, 409, 429, 5xx, timeouts and dropped connections
    are tried `retries` times more, after the time the server asks for, else after twice as long each time."""

    def __init__(
        self, endpoint: Endpoint, timeout_s: float, retries: int, concurrency: int, answer_tokens: int
    ) -> None:
        from openai import AsyncOpenAI

        self.model = endpoint.model
        self.where = address(endpoint.url)
        self.places: tuple[str, ...] = (self.where,)
        self.answer_tokens = answer_tokens
        self._timeout_s, self._retries = timeout_s, retries
        # An annotator may ask several things about one item at a time; the server sees no more of them than this.
        self._slots, self._concurrency, self._asked = asyncio.Semaphore(concurrency), concurrency, 0
        # The retries are ours: the client's own would run inside one timeout, and a stuck try would use it up.
        self._client = AsyncOpenAI(
            base_url=endpoint.url or OPENAI, api_key=endpoint.key, max_retries=0, timeout=timeout_s
        )
        self._refused: set[str] = set()

    async def close(self) -> None:
        await self._client.close()

    @property
    def load(self) -> float:
        """Requests under way or waiting, of those that may be under way at a time; above 1 where some wait."""
        return self._asked / self._concurrency

    async def ask(self, request: Request) -> Answer:
        """Raises `Unanswered` after the last retry or for a request the server will not take; ZooError where the key
        or the model is refused, as no other request would fare better."""
        self._asked += 1
        try:
            return await self._tried(request)
        finally:
            self._asked -= 1

    async def _tried(self, request: Request) -> Answer:
        from openai import APIConnectionError, APIResponseValidationError, APIStatusError

        why, tries = "", 0
        while tries <= self._retries:
            wait = min(FIRST_WAIT_S * 2**tries, LONGEST_WAIT_S) * random.uniform(0.75, 1.0)
            try:
                async with self._slots, asyncio.timeout(self._timeout_s):
                    return self._answer(await self._client.chat.completions.create(**self._body(request)))
            except APIStatusError as e:
                if self._learned(e):
                    continue
                self._stop_if_hopeless(e)
                why = f"status {e.status_code}: {_said(e)}"
                if e.status_code not in (408, 409, 429) and e.status_code < 500:
                    raise Unanswered(why, final=True) from e
                asked = retry_after(e.response.headers)
                wait = asked if asked is not None else wait
            except TimeoutError:
                why = f"no answer within {self._timeout_s:g} s"
            except (APIConnectionError, APIResponseValidationError, _Malformed, ValueError) as e:
                why = f"connection: {e.__cause__ or e}"
            tries += 1
            if tries <= self._retries:
                await asyncio.sleep(wait)
        raise Unanswered(f"{why} ({tries} tries)")

    def _answer(self, completion: Any) -> Answer:
        choices = getattr(completion, "choices", None)
        if not choices or choices[0].message is None:
            raise _Malformed("the server's reply has no choices")
        message = choices[0].message
        finish: Finish = "stop"
        if choices[0].finish_reason == "length":
            finish = "length"
        elif choices[0].finish_reason == "content_filter":
            finish = "filtered"
        elif message.refusal:
            finish = "refused"
        usage = completion.usage
        tokens_in, tokens_out = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        return Answer(message.content or "", finish, tokens_in, tokens_out, place=self.where)

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, "messages": list(request.messages)}
        body["max_completion_tokens" if "max_tokens" in self._refused else "max_tokens"] = request.max_tokens
        if "temperature" not in self._refused:
            body["temperature"] = request.temperature
        if request.schema is not None and "response_format" not in self._refused:
            schema = {"name": "answer", "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _learned(self, error: APIStatusError) -> bool:
        """Whether the server has just refused a parameter that can be left out; from then on it is, for the whole
        run."""
        if error.status_code not in (400, 422):
            return False
        said = _said(error)
        # Requests already under way come back with the same refusal: they go again too, each once, without it.
        sent = error.request.content.decode("utf-8", "replace")
        for name, pattern in _OPTIONAL.items():
            if pattern.search(said) and f'"{name}":' in sent.replace(" ", ""):
                self._refused.add(name)
                return True
        return False

    def _stop_if_hopeless(self, error: APIStatusError) -> None:
        if error.status_code in (401, 403):
            raise ZooError(
                f"The teacher at {self.where} refused the key (status {error.status_code}); check OPENAI_API_KEY."
            ) from None
        if error.status_code == 404:
            raise ZooError(
                f"The teacher at {self.where} knows no model {self.model!r} (status 404); "
                "check --teacher-model and --teacher-url."
            ) from None


class _Malformed(Exception):
    """A 200 whose body is not a chat completion."""


def _said(error: APIStatusError) -> str:
    """The server's own words, shortened."""
    body = error.body
    text = body.get("message") if isinstance(body, dict) else None
    return str(text or error.message)[:300]
