"""A teacher behind a cache on disk, so that nothing is paid for twice: an answer is committed as it arrives, before
anybody uses it, and of several processes that want the same one asks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from zoo.artifact import canonical
from zoo.overlap import marks
from zoo.teachers import Answer, Request, Teacher
from zoo.teachers.batch import BatchTeacher
from zoo.teachers.metering import Metered
from zoo.teachers.store import Cache

__all__ = ["Cache", "CachedTeacher", "Usage"]
POLL_S = 0.05  # how soon one notices that another process has answered, failed or died


@dataclass
class Usage:
    """Counts of one run. `calls` are requests made of the teacher; `cached` those of them that the cache answered, or
    another process or item that was asking the same."""

    calls: int = 0
    cached: int = 0


@dataclass
class CachedTeacher:
    """A teacher that asks only what its cache does not hold, and each thing once even if it is wanted twice at a
    time, in this process or in two. `domain` is whom the answers are counted for."""

    teacher: Teacher
    cache: Cache
    domain: str = ""
    usage: Usage = field(default_factory=Usage)

    def __post_init__(self) -> None:
        self._flying: dict[str, asyncio.Future[Answer]] = {}
        self._waits = _Waits(self.cache)
        self.cache.asks(self.teacher.model)
        source = self.teacher.teacher if isinstance(self.teacher, Metered) else self.teacher
        if isinstance(source, BatchTeacher):
            source.store = self

    def keys(self, request: Request) -> list[str]:
        """A key for each of the teacher's places, over the model, that place and everything in the request."""
        digest = self._digest(request)
        return [_at(digest, place) for place in self.teacher.places]

    def _digest(self, request: Request) -> hashlib._Hash:
        """Of all but the place. The text is hashed once, and each key goes on from there."""
        text = canonical({"model": self.teacher.model, **request.as_data()})
        return hashlib.sha256(text[:-1].encode("utf-8", "surrogatepass"))

    async def ask(self, request: Request) -> Answer:
        """The answer of any of the teacher's places. Raises what the teacher raises."""
        self.usage.calls += 1
        digest = self._digest(request)
        name = digest.hexdigest()
        while flying := self._flying.get(name):
            try:
                answer = await asyncio.shield(flying)
            except asyncio.CancelledError:
                # Whoever was asking was called off: that is no reason not to ask for this one.
                if not flying.cancelled() or _called_off():
                    raise
            else:
                self.usage.cached += 1
                return answer
        flying = self._flying[name] = asyncio.get_running_loop().create_future()
        try:
            answer, paid = await self._found(request, digest)
        except BaseException as e:
            if isinstance(e, asyncio.CancelledError):
                flying.cancel()
            else:
                flying.set_exception(e)
                flying.exception()  # nobody else may be waiting to hear it
            raise
        finally:
            del self._flying[name]
        flying.set_result(answer)
        self.usage.cached += not paid
        return answer

    async def _found(self, request: Request, digest: hashlib._Hash) -> tuple[Answer, bool]:
        """The answer, and whether it was asked for here."""
        keys = [_at(digest, place) for place in self.teacher.places]
        if answer := self.cache.get(*keys):
            return answer, False
        while (claim := self.cache.claim(keys)) is False:
            await self._waits.until_free(keys)
        if isinstance(claim, Answer):
            return claim, False
        try:
            return self._keep(digest, request, await self.teacher.ask(request), keys), True
        except BaseException:
            self.cache.release(keys)
            raise

    def find(self, request: Request) -> Answer | None:
        """What the cache holds, asking nobody."""
        return self.cache.get(*self.keys(request))

    def keep(self, request: Request, answer: Answer) -> None:
        """Stores an answer that came before, or without, anybody here waiting for it."""
        self._keep(self._digest(request), request, answer, ())

    def _keep(self, digest: hashlib._Hash, request: Request, answer: Answer, claimed: Sequence[str]) -> Answer:
        """Under the place that gave it; of several answers to one request the first stays."""
        place = answer.place or self.teacher.places[0]
        key, about = _at(digest, place), marks(request.texts)
        return self.cache.put(key, self.teacher.model, answer, self.domain, place, claimed, about)

    async def close(self) -> None:
        await self.teacher.close()
        self._waits.close()
        self.cache.close()


def _at(digest: hashlib._Hash, place: str) -> str:
    """The key of a request at one place: as if the place were the last field of the request's JSON."""
    whole = digest.copy()
    whole.update(_last_field(place))
    return whole.hexdigest()


@lru_cache
def _last_field(place: str) -> bytes:
    return f',"where":{canonical(place)}}}'.encode()


def _called_off() -> bool:
    """Whether this very task is being cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class _Waits:
    """The requests that other processes are asking: one task looks after them all."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._waiting: dict[asyncio.Future[None], Sequence[str]] = {}
        self._poller: asyncio.Task[None] | None = None

    async def until_free(self, keys: Sequence[str]) -> None:
        """Until no living process claims any of the keys."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = keys
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            await future
        finally:
            del self._waiting[future]

    async def _poll(self) -> None:
        while self._waiting:
            await asyncio.sleep(POLL_S)
            try:
                claimed = self._cache.claimed({key for keys in self._waiting.values() for key in keys})
            except Exception as e:  # theirs who wait, not this task's that nobody awaits
                for future in self._waiting:
                    if not future.done():
                        future.set_exception(e)
                return
            for future, keys in self._waiting.items():
                if not future.done() and claimed.isdisjoint(keys):
                    future.set_result(None)

    def close(self) -> None:
        if self._poller:
            self._poller.cancel()
