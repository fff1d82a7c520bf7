"""Answers on disk, so that nothing is paid for twice: an answer is committed as it arrives, before anybody uses it.

SQLite in WAL mode: safe under kill -9, and for two processes at once.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from zoo.artifact import canonical, digest_text
from zoo.errors import ZooError
from zoo.teachers import Answer, Request, Teacher
from zoo.teachers.batch import BatchTeacher

_TABLE = (
    "CREATE TABLE IF NOT EXISTS answers "
    "(key TEXT PRIMARY KEY, model TEXT, answer TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP)"
)
_PATIENCE_S = 60.0


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch `db` to write-ahead logging. SQLite's own timeout does not cover the switch: when another process is
    making the same one it answers "locked" at once, so the waiting is done here."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@dataclass
class Usage:
    """Counts of one run. `calls` are requests made of the teacher; `cached` those of them that the cache answered."""

    calls: int = 0
    cached: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


class Cache:
    """Answers by key in one file. `put` returns what the cache holds afterwards: the first answer to a key stays."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)
            _use_wal(self._db)
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_TABLE)
        except sqlite3.Error as e:
            raise ZooError(f"The teacher's cache {path} cannot be opened ({e}); move it away and run again.") from e

    def get(self, key: str) -> Answer | None:
        row = self._db.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return Answer(**json.loads(row[0])) if row else None

    def put(self, key: str, model: str, answer: Answer) -> Answer:
        self._db.execute(
            "INSERT OR IGNORE INTO answers (key, model, answer) VALUES (?, ?, ?)",
            (key, model, json.dumps(asdict(answer), ensure_ascii=False)),
        )
        return self.get(key) or answer

    def close(self) -> None:
        self._db.close()


@dataclass
class CachedTeacher:
    """A teacher that asks only what its cache does not hold, and each thing once even if it is wanted twice at a
    time."""

    teacher: Teacher
    cache: Cache
    usage: Usage = field(default_factory=Usage)
    _flying: dict[str, asyncio.Future[Answer]] = field(default_factory=dict)

    def key(self, request: Request) -> str:
        """Over the model, the endpoint or weights, and everything in the request."""
        return digest_text(
            canonical({"model": self.teacher.model, "where": self.teacher.places[0], **request.as_data()})
        )

    def __post_init__(self) -> None:
        if isinstance(self.teacher, BatchTeacher):
            self.teacher.store = self

    def find(self, request: Request) -> Answer | None:
        return self.cache.get(self.key(request))

    def keep(self, request: Request, answer: Answer) -> None:
        """An answer that came unasked, or before those who wait for it get it."""
        self.cache.put(self.key(request), self.teacher.model, answer)

    async def ask(self, request: Request) -> Answer:
        key = self.key(request)
        self.usage.calls += 1
        answer = self.cache.get(key)
        if answer is not None:
            self.usage.cached += 1
        elif key in self._flying:
            self.usage.cached += 1
            answer = await asyncio.shield(self._flying[key])
        else:
            self._flying[key] = asyncio.ensure_future(self._fetch(key, request))
            answer = await self._flying[key]
        self.usage.tokens_in += answer.tokens_in
        self.usage.tokens_out += answer.tokens_out
        return answer

    async def _fetch(self, key: str, request: Request) -> Answer:
        try:
            return self.cache.put(key, self.teacher.model, await self.teacher.ask(request))
        finally:
            del self._flying[key]

    async def close(self) -> None:
        await self.teacher.close()
        self.cache.close()
