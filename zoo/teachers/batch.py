"""A teacher that answers by a provider's batch endpoint, which sells the same answers for less to those who can wait.

Whoever asks waits. Once nothing more is asked for, since every item under way waits, all of it goes off as one batch; what
the answers lead to, repairs and second questions, makes the next.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from zoo.artifact import canonical, digest_text
from zoo.console import say
from zoo.errors import ZooError
from zoo.interrupt import before_the_end
from zoo.teachers import Answer, Request, Unanswered
from zoo.teachers import batch_endpoint as server
from zoo.teachers.batch_journal import Journal, Line, Submission
from zoo.teachers.batch_outcome import completed, outcome_of
from zoo.teachers.chosen import Endpoint
from zoo.teachers.wire import Wire

# What a server says of more than it queues of one account, in all its batches together.
_TOO_MUCH = re.compile(r"token_limit|enqueued|too_many_tokens", re.I)
_LATE_FILES = 5  # looks at a batch that is completed and has no files yet
_NEWS_S = 600.0


class Store(Protocol):
    """Where answers are kept, those too that nobody waits for any more."""

    def find(self, request: Request) -> Answer | None: ...

    def keep(self, request: Request, answer: Answer) -> None: ...


class BatchTeacher:
    """Batches of `rows` requests at most. A line that expired, or failed for a reason that may pass, goes into `retries`
    later batches more. Batches under way when a process ends stay so: the next one takes them up from `folder`.

    Answers are handed to `store`, all of a batch's at once, before anybody gets one.
    """

    settle_s = 1.0
    first_poll_s, longest_poll_s = 2.0, 60.0

    def __init__(self, endpoint: Endpoint, answer_tokens: int, retries: int, rows: int, folder: Path) -> None:
        self.server = server.BatchEndpoint(endpoint)
        self.model, self.where = endpoint.model, self.server.where
        self.places: tuple[str, ...] = (self.where,)
        self.answer_tokens = answer_tokens
        self.store: Store | None = None
        self._retries, self._rows = retries, rows
        self._wire = Wire(endpoint.model)
        self._journal = Journal(folder, self.where, self.model)
        self._futures: dict[str, asyncio.Future[Answer]] = {}
        self._pending: dict[str, Line] = {}
        self._out: dict[str, Submission] = {}  # by line, those of this process
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by submission
        self._gathering: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._asked, self._handing = 0, 0
        self._crowded = False  # the server takes no more until a batch is done
        self._error: Exception | None = None
        self._until_closed = ExitStack()

    async def ask(self, request: Request) -> Answer:
        """Raises `Unanswered` for a line that failed, with the server's words; ZooError where no batch can succeed."""
        if self._error is not None:
            raise self._error
        if self._gathering is None:
            self._gathering = asyncio.ensure_future(self._gather())
            self._until_closed.enter_context(before_the_end(self._say_what_goes_on))
        id_ = digest_text(canonical(request.as_data()))[:32]
        if id_ not in self._futures:
            self._futures[id_] = asyncio.get_running_loop().create_future()
            self._asked += 1
            if id_ not in self._out:
                self._pending[id_] = Line(id_, request)
                self._wake.set()
        return await asyncio.shield(self._futures[id_])

    async def close(self) -> None:
        tasks = [*self._tasks.values(), *([self._gathering] if self._gathering else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._say_what_goes_on()
        self._until_closed.close()
        for future in self._futures.values():
            future.cancel()
        await self.server.close()
        self._journal.close()

    def _say_what_goes_on(self) -> None:
        for batch in {s.batch for s in list(self._out.values()) if s.batch}:
            say(f"  batch {batch} goes on at {self.where}; the same command picks it up")

    def _fail(self, error: Exception) -> None:
        """Nothing can be asked any more; batches under way are left alone."""
        self._error = self._error or error
        self._pending.clear()
        for future in self._futures.values():
            if not future.done():
                future.set_exception(self._error)
                future.exception()  # one that nobody waits for is no error of its own

    # --- what is asked for, into batches ------------------------------------------------------------------------------

    async def _gather(self) -> None:
        try:
            while self._error is None:
                await self._wake.wait()
                await self._settled()
                self._wake.clear()
                await self._take_up()
                for lines in self._portions(self._ready()):
                    self._send(self._journal.begin(lines))
                if self._pending and not self._crowded:  # under way elsewhere
                    asyncio.get_running_loop().call_later(self.first_poll_s, self._wake.set)
        except Exception as e:
            self._fail(e)

    async def _settled(self) -> None:
        """Returns when nothing more is asked for, or a batch is full. A loop that is late is still working on answers; on
        a machine with too much to do it is late for no reason of ours, which is borne for a while."""
        loop, step = asyncio.get_running_loop(), self.settle_s / 5
        quiet = last = loop.time()
        while len(self._pending) < self._rows:
            began, asked = loop.time(), self._asked
            await asyncio.sleep(step)
            now = loop.time()
            if self._asked != asked or self._handing:
                quiet = last = now
            elif now - began > 2 * step + 0.05:
                quiet = now
            if now - quiet >= self.settle_s or now - last >= 10 * self.settle_s:
                return

    async def _take_up(self) -> None:
        """Batches whose process has died. Where it died while it submitted one, the server knows what came of it."""
        for submission in self._journal.orphans():
            if submission.batch is None:
                batch = await self.server.find(submission.id, submission.file, submission.at)
                if batch is None:
                    self._journal.done(submission)
                    continue
                self._journal.created(submission, batch)
            say(f"  batch {submission.batch}: {_requests(submission)}, submitted before, taken up again")
            self._send(submission)

    def _ready(self) -> Iterator[Line]:
        """What can be submitted now: neither answered meanwhile, nor in a batch of another process."""
        elsewhere = self._journal.elsewhere()
        for id_, line in list(self._pending.items()):
            if self.store and (answer := self.store.find(line.request)):
                del self._pending[id_]
                self._resolve(id_, answer)
            elif id_ not in elsewhere:
                yield line

    def _portions(self, lines: Iterable[Line]) -> Iterator[list[Line]]:
        portion: list[Line] = []
        size = 0
        for line in lines:
            if self._crowded:
                return
            line.body = self._wire.body(line.request, line.form)
            length = len(server.line(line.id, line.body))
            if portion and (len(portion) >= self._rows or size + length > server.MOST_BYTES):
                yield portion
                portion, size = [], 0
            portion.append(line)
            size += length
        if portion:
            yield portion

    def _send(self, submission: Submission) -> None:
        for id_ in submission.lines:
            self._pending.pop(id_, None)
            self._out[id_] = submission
        self._tasks[submission.id] = asyncio.ensure_future(self._see_through(submission))

    # --- a batch, until its answers are kept --------------------------------------------------------------------------

    async def _see_through(self, submission: Submission) -> None:
        try:
            if submission.batch is None:
                await self._submit(submission)
            seen = await self._ended(submission)
            if seen.status == "failed":
                self._not_taken(submission, seen)
            else:
                await self._hand_out(submission, seen)
        except Exception as e:
            self._fail(e)
        finally:
            del self._tasks[submission.id]
            self._wake.set()

    async def _submit(self, submission: Submission) -> None:
        try:
            data = b"".join(server.line(x.id, x.body) for x in submission.lines.values())
            file = await self.server.upload(submission.id, data)
            self._journal.uploaded(submission, file)
            self._journal.created(submission, await self.server.create(submission.id, file, submission.at))
        except server.Refused:
            self._done(submission)
            raise
        say(f"  batch {submission.batch}: {_requests(submission)} submitted to {self.where}")

    async def _ended(self, submission: Submission) -> server.Seen:
        """Looks at the batch, less and less often, until it has come to an end; says each change of its state, and now
        and then its counts."""
        assert submission.batch is not None
        wait, before, said, bare = self.first_poll_s, None, 0.0, 0
        while True:
            seen = await self.server.look(submission.batch)
            if before is None or seen.status != before.status or (seen != before and time.monotonic() - said > _NEWS_S):
                before, said = seen, time.monotonic()
                total = seen.total or len(submission.lines)
                failed = f", {seen.failed} failed" if seen.failed else ""
                say(f"  batch {seen.id}: {seen.status}, {seen.answered} of {total} answered{failed}")
            has_files = seen.output or seen.errors or seen.status != "completed"
            bare += not has_files
            if seen.status in server.ENDED and (has_files or bare > _LATE_FILES):
                return seen
            await asyncio.sleep(wait)
            wait = min(1.5 * wait, self.longest_poll_s)

    def _not_taken(self, submission: Submission, seen: server.Seen) -> None:
        """The server refused the whole batch: for good, or since it holds as much as it takes from one account."""
        self._done(submission)
        others, rows = bool(self._out), len(submission.lines)
        if not _TOO_MUCH.search(f"{seen.code} {seen.why}") or (rows == 1 and not others):
            why = seen.why.rstrip(".") or "it does not say why"
            raise ZooError(
                f"The teacher at {self.where} did not take the batch {seen.id}: {why}; put that right, or leave --batch away."
            )
        if not others:
            self._rows = max(1, rows // 2)
            say(f"  batch {seen.id} is too large for the server's queue: {self._rows} requests at a time from now on")
        self._crowded = others
        for line in submission.lines.values():
            self._again(line)

    async def _hand_out(self, submission: Submission, seen: server.Seen) -> None:
        """Keeps every answer, then gives them to those who wait; lines that failed go again, or are unanswered."""
        found: dict[str, server.Reply] = {}
        for file in (seen.errors, seen.output):
            if file:
                found |= {r.custom_id: r for r in server.replies(await self.server.fetch(file))}
        self._handing += 1
        try:
            outcomes: dict[str, Answer | Unanswered | None] = {}
            # What the server could do is known before what it could not is looked at.
            for n, line in enumerate(sorted(submission.lines.values(), key=lambda x: not completed(found.get(x.id)))):
                outcome = outcomes[line.id] = outcome_of(
                    line, found.get(line.id), self._wire, self._retries, self.where
                )
                if isinstance(outcome, Answer) and self.store:
                    self.store.keep(line.request, outcome)
                if n % 100 == 0:
                    await asyncio.sleep(0)
            self._done(submission)
            for id_, outcome in outcomes.items():
                if outcome is None:
                    self._again(submission.lines[id_])
                else:
                    self._resolve(id_, outcome)
        finally:
            self._handing -= 1
        if seen.status in ("cancelled", "canceled") and (left := sum(o is None for o in outcomes.values())):
            raise ZooError(
                f"The batch {seen.id} was cancelled at {self.where} with {left} of {len(outcomes)} requests not answered; the "
                "others are kept, and the same command submits these again."
            )

    def _done(self, submission: Submission) -> None:
        self._journal.done(submission)
        self._crowded = False
        for id_ in submission.lines:
            self._out.pop(id_, None)

    def _again(self, line: Line) -> None:
        if line.id in self._futures:  # what nobody waits for is asked again when somebody does
            self._pending[line.id] = line

    def _resolve(self, id_: str, outcome: Answer | Unanswered) -> None:
        future = self._futures.pop(id_, None)
        if future is None or future.done():
            return
        if isinstance(outcome, Answer):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)
            future.exception()


def _requests(submission: Submission) -> str:
    n = len(submission.lines)
    return f"{n:,} requests" if n != 1 else "1 request"
