"""A provider's batch endpoint, as OpenAI has it and others follow: a file of requests up, a day later files of replies
down.

Others differ in the case and number of states, in whether a batch names what was attached to it, and in how a line that
failed looks; all of these are read. All requests of a batch are for one model, and no two have one id.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from zoo.console import say
from zoo.errors import ZooError
from zoo.teachers.chosen import Endpoint
from zoo.teachers.endpoint import OPENAI, address
from zoo.teachers.ratelimit import retry_after
from zoo.teachers.wire import hopeless, passing, said

if TYPE_CHECKING:
    from openai import APIStatusError

T = TypeVar("T")
URL: Literal["/v1/chat/completions"] = "/v1/chat/completions"
MOST_BYTES = 100_000_000  # the least of the limits known: OpenAI takes 200 MB
TRANSFER_S = 600.0  # for one file, up or down
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
# With a server, or a line to it, that is down: before a batch is made, and while one, which has a day, is under way; so long
# too with a server that says that it is sent too much.
FIRST_PATIENCE_S, PATIENCE_S = 120.0, 3600.0
ENDED = frozenset({"completed", "failed", "expired", "cancelled", "canceled"})
MARK = "zoo_submission"  # the key under which a batch names the submission that made it
_SAID_AFTER = 4  # tries
_BEFORE_S = 3600.0  # by how much a server's clock may be behind ours
_ID = re.compile(rb'"custom_id"\s*:\s*"([^"\\]+)"')


class Refused(ZooError):
    """The server would not take what it was sent, so that nothing has come of it."""


@dataclass(frozen=True)
class Seen:
    """A batch as the server last described it. `status` is one of its states in lower case, `ENDED` or any other;
    `output` and `errors` are the ids of its files; `why` and `code` are what it says against the whole batch."""

    id: str
    status: str
    total: int
    answered: int
    failed: int
    output: str | None
    errors: str | None
    why: str = ""
    code: str = ""


@dataclass(frozen=True)
class Reply:
    """One line of a batch's files. `status` is 200 for a completion, which `body` then is, and 0 where the request never
    got as far as one; `said` and `code` are the server's words about a line that failed."""

    custom_id: str
    status: int
    body: Any = None
    said: str = ""
    code: str = ""

    @property
    def passing(self) -> bool:
        """Whether the same request may fare better in a later batch."""
        return passing(self.status) or (self.status == 0 and not self.code.startswith(("invalid", "malformed")))


def line(custom_id: str, body: dict[str, Any]) -> bytes:
    """A request as a line of a batch's file."""
    row = {"custom_id": custom_id, "method": "POST", "url": URL, "body": body}
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def replies(data: bytes) -> Iterator[Reply]:
    """The lines of an output or error file. One that cannot be read is given as malformed where its id can be."""
    for raw in data.split(b"\n"):
        try:
            row = json.loads(raw) if raw.strip() else None
            found = _reply(row) if row is not None else None
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            match = _ID.search(raw)
            found = (
                Reply(match[1].decode(), 0, code="malformed", said="its line in the output is malformed")
                if match
                else None
            )
        if found is not None:
            yield found


def _reply(row: dict[str, Any]) -> Reply:
    custom_id, response, error = str(row["custom_id"]), row.get("response") or {}, row.get("error") or {}
    body = response.get("body")
    status = int(response.get("status_code") or (200 if body and not error else 0))
    if status == 200 and not error:
        return Reply(custom_id, status, body)
    told = error or (body.get("error") or body if isinstance(body, dict) else body) or {}
    told = told if isinstance(told, dict) else {"message": str(told)}
    code = str(told.get("code") or told.get("type") or "")
    if status in (0, 200):
        status = int(code) if code.isdigit() else 0
    return Reply(custom_id, status, body, str(told.get("message") or code or "no reason given")[:300], code)


class BatchEndpoint:
    """Trouble that passes (lost connections, timeouts, 408, 409, 429, 5xx) is waited out, within limits; all else raises
    ZooError in one sentence."""

    def __init__(self, endpoint: Endpoint) -> None:
        from openai import AsyncOpenAI

        self.where, self.model = address(endpoint.url), endpoint.model
        self._client = AsyncOpenAI(
            base_url=endpoint.url or OPENAI, api_key=endpoint.key, max_retries=0, timeout=TRANSFER_S
        )

    async def close(self) -> None:
        await self._client.close()

    async def upload(self, submission: str, data: bytes) -> str:
        """The id of the file. Raises Refused."""
        name = f"{submission}.jsonl"
        file = await self._call(
            "the batch's file",
            lambda: self._client.files.create(file=(name, data, "application/jsonl"), purpose="batch"),
        )
        return str(file.id)

    async def create(self, submission: str, file: str, since: float) -> str:
        """The id of the batch. A try that got no reply may have made one: it is looked for before another. Raises
        Refused."""

        async def make() -> str:
            made = await self._client.batches.create(
                input_file_id=file, endpoint=URL, completion_window="24h", metadata={MARK: submission}
            )
            return str(made.id)

        return await self._call("the batch", make, lambda: self.find(submission, file, since))

    async def find(self, submission: str, file: str | None, since: float) -> str | None:
        """The id of the batch that `submission` made after `since` (seconds since 1970), if it made one."""

        async def look() -> str | None:
            async for batch in self._client.batches.list(limit=100):
                if (batch.metadata or {}).get(MARK) == submission or (file and batch.input_file_id == file):
                    return str(batch.id)
                if isinstance(batch.created_at, (int, float)) and batch.created_at < since - _BEFORE_S:
                    break
            return None

        return await self._call("a list of its batches", look)

    async def look(self, batch: str) -> Seen:
        found = await self._call(
            "a look at a batch", lambda: self._client.batches.retrieve(batch), batch=batch, under_way=True
        )
        counts = found.request_counts
        total, answered, failed = (counts.total, counts.completed, counts.failed) if counts else (0, 0, 0)
        errors = (found.errors.data if found.errors else None) or []
        words = "; ".join(f"line {e.line}: {e.message}" if e.line else str(e.message) for e in errors[:3])
        return Seen(
            batch, str(found.status).lower(), total or 0, answered or 0, failed or 0, found.output_file_id or None,
            found.error_file_id or None, words[:500], str(errors[0].code or "") if errors else "",
        )  # fmt: skip

    async def fetch(self, file: str) -> bytes:
        async def get() -> bytes:
            return bytes((await self._client.files.content(file)).content)

        return await self._call("a batch's answers", get, under_way=True)

    async def _call(
        self, what: str, call: Callable[[], Awaitable[T]], done: Callable[[], Awaitable[T | None]] | None = None,
        batch: str = "", under_way: bool = False,
    ) -> T:  # fmt: skip
        """`done` says what an earlier try has come to of which no reply was seen."""
        from openai import APIConnectionError, APIResponseValidationError, APIStatusError

        began, wait, tries = time.monotonic(), FIRST_WAIT_S, 0
        patience = PATIENCE_S if under_way else FIRST_PATIENCE_S
        while True:
            asked = None
            try:
                return await call()
            except APIStatusError as e:
                if why := hopeless(e, self.where):
                    raise Refused(why) from e
                if not passing(e.status_code) or e.status_code == 501:
                    raise self._refusal(e, what, batch) from e
                why, asked = f"status {e.status_code}: {said(e)}", retry_after(e.response.headers)
                patience = PATIENCE_S if e.status_code == 429 else patience
            except (APIConnectionError, APIResponseValidationError, ValueError) as e:
                why = f"connection: {e.__cause__ or e}"
            tries += 1
            if time.monotonic() - began > patience:
                raise ZooError(
                    f"The teacher at {self.where} does not answer when asked for {what} ({why}); give the same command "
                    "again, which picks up every batch that is under way."
                )
            if tries == _SAID_AFTER:
                say(f"  {self.where} does not answer when asked for {what} ({why}); trying on")
            await asyncio.sleep(wait if asked is None else asked)
            wait = min(2 * wait, LONGEST_WAIT_S)
            try:
                if done is not None and (found := await done()) is not None:
                    return found
            except Refused as e:  # which leaves open what the earlier try has come to
                raise ZooError(str(e)) from e

    def _refusal(self, e: APIStatusError, what: str, batch: str) -> Refused:
        status = e.status_code
        if batch and status == 404:
            return Refused(
                f"The teacher at {self.where} does not know the batch {batch} (status 404), which an earlier run submitted: "
                "use that run's key, or remove the folder batches in the workspace's cache to submit it again."
            )
        if status in (404, 405, 501):
            return Refused(f"The teacher at {self.where} has no batch endpoint (status {status}); leave --batch away.")
        return Refused(
            f"The teacher at {self.where} refused {what} (status {status}: {said(e)}); where it has no batch endpoint for "
            f"the model {self.model!r}, leave --batch away."
        )
