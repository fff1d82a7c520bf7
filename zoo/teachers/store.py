"""The file of the teachers' answers: which there are, and which requests a process is asking at the moment.

SQLite in WAL mode: what was committed outlives a kill -9, and processes share the file. A claim says that a process is
asking; it goes with the answer, with the failure, or with the process (see `askers.py`), and whoever waited for it
then asks.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.overlap import packed, unpacked
from zoo.teachers import Answer
from zoo.teachers.askers import Asker, dead, dead_ones

_ANSWERS = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, model TEXT, answer TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP)"
_CLAIMS = "CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, asker TEXT NOT NULL) WITHOUT ROWID"
_FIRST = {"key", "model", "answer", "at"}
# What to report by: columns that the first caches did not have, filled from the answers there.
_LATER = {
    "domain": "TEXT NOT NULL DEFAULT ''", "place": "TEXT NOT NULL DEFAULT ''", "tokens_in": "INTEGER NOT NULL DEFAULT 0",
    "tokens_out": "INTEGER NOT NULL DEFAULT 0", "batched": "INTEGER NOT NULL DEFAULT 0", "bytes": "INTEGER NOT NULL DEFAULT 0",
    "marks": "BLOB",  # of the prompts' words (see overlap.py); NULL in what older caches left
}  # fmt: skip
_FILL = """UPDATE answers SET
    place = coalesce(json_extract(answer, '$.place'), ''), tokens_in = coalesce(json_extract(answer, '$.tokens_in'), 0),
    tokens_out = coalesce(json_extract(answer, '$.tokens_out'), 0), bytes = length(CAST(answer AS BLOB))"""
_PUT = """INSERT OR IGNORE INTO answers (key, model, answer, domain, place, tokens_in, tokens_out, batched, bytes, marks)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_COUNTS = """SELECT domain, model, place, count(*), sum(bytes), sum(tokens_in), sum(tokens_out), sum(batched),
    date(min(at)), date(max(at))
    FROM answers WHERE {} GROUP BY domain, model, place ORDER BY domain, model, place"""
_PATIENCE_S = 60.0
_AT_A_TIME = 1000  # rows or pages that a drop takes before it lets others write
_INCREMENTAL = 2  # what `PRAGMA auto_vacuum` says of a file that can shrink step by step
_UNWRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(frozen=True)
class Selection:
    """Some of the answers: those that fit all that is given. `before` is a day, YYYY-MM-DD in UTC, not itself in it."""

    domain: str | None = None
    model: str | None = None
    place: str | None = None
    before: str | None = None

    def where(self) -> tuple[str, list[str]]:
        """SQL and its values."""
        tests = {"domain = ?": self.domain, "model = ?": self.model, "place = ?": self.place, "at < ?": self.before}
        given = {test: value for test, value in tests.items() if value is not None}
        return " AND ".join(given) or "1", list(given.values())


@dataclass(frozen=True)
class Count:
    """What there is of one domain, model and place. `bytes` are those of the answers as stored; days in UTC."""

    domain: str
    model: str
    place: str
    answers: int
    bytes: int
    tokens_in: int
    tokens_out: int
    batched: int
    first: str
    last: str


class Cache:
    """Answers and claims by key, in the file at `path`, which is made where there is none. Raises ZooError for a file
    that is none, is damaged or cannot be written, SQLite's error where the disk is full. Use it in the thread that opened it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asking = path.parent / "asking"
        self._asker: Asker | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)
            self._prepare()
        except sqlite3.Error as e:
            code = getattr(e, "sqlite_errorcode", 0) & 0xFF  # ours have none
            if code == sqlite3.SQLITE_FULL:
                raise
            todo = "make it and its folder writable" if code in _UNWRITABLE else "move it away"
            raise ZooError(f"The teacher's cache {path} cannot be opened ({e}); {todo} and run again.") from e

    def _prepare(self) -> None:
        self._db.execute("PRAGMA auto_vacuum=INCREMENTAL")  # heeded while the file is empty
        _use_wal(self._db)
        self._db.execute("PRAGMA synchronous=NORMAL")
        if {*_FIRST, *_LATER} <= self._columns("answers") and self._columns("claims"):
            return
        with self._writing():
            columns = self._columns("answers")
            if columns and not columns >= _FIRST:
                raise sqlite3.DatabaseError("it is a database of something else")
            self._db.execute(_ANSWERS)
            self._db.execute(_CLAIMS)
            for name in [n for n in _LATER if n not in columns]:
                self._db.execute(f"ALTER TABLE answers ADD COLUMN {name} {_LATER[name]}")
            if columns and not columns >= _LATER.keys():
                self._db.execute(_FILL)

    def _columns(self, table: str) -> set[str]:
        return {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}

    def _run(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(sql, values)
        except sqlite3.DatabaseError as e:
            if e.sqlite_errorcode not in _DAMAGED:
                raise
            raise ZooError(f"The teacher's cache {self.path} is damaged ({e}); move it away and run again.") from e

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # --- asking ------------------------------------------------------------------------------------------------------

    def asks(self, model: str) -> None:
        """Lets other processes know that this one asks `model`, until it ends or closes the cache."""
        self._me().asks(model)

    def _me(self) -> Asker:
        if self._asker is None:
            self._asker = Asker(self.asking)
            self._forget(dead_ones(self.asking))
        return self._asker

    def get(self, *keys: str) -> Answer | None:
        """The answer to the first of the keys that has one."""
        for key in keys:
            if row := self._run("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone():
                return Answer(**json.loads(row[0]))
        return None

    def claim(self, keys: Sequence[str]) -> Answer | bool:
        """True where the request with these keys is now this process's to ask, to be ended by `put` or `release`; False
        where it is another's; and where there is an answer to it, that."""
        me = self._me().name
        with self._writing():
            if answer := self.get(*keys):
                return answer
            for key in keys:
                if self._run("SELECT 1 FROM claims WHERE key = ?", (key,)).fetchone():
                    return False
            for key in keys:
                self._run("INSERT INTO claims VALUES (?, ?)", (key, me))
        return True

    def claimed(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys that living processes claim; the claims of dead ones end here."""
        found = self._run(
            "SELECT key, asker FROM claims WHERE key IN (SELECT value FROM json_each(?))", (json.dumps(list(keys)),)
        ).fetchall()
        gone = {name for name in {asker for _, asker in found} if dead(self.asking, name)}
        self._forget(gone)
        return {key for key, asker in found if asker not in gone}

    def release(self, keys: Sequence[str]) -> None:
        """Ends this process's claims without an answer."""
        if self._asker:
            for key in keys:
                self._run("DELETE FROM claims WHERE key = ? AND asker = ?", (key, self._asker.name))

    def put(
        self, key: str, model: str, answer: Answer, domain: str = "", place: str = "", claimed: Sequence[str] = (),
        about: Collection[int] = (),
    ) -> Answer:  # fmt: skip
        """Stores an answer and ends the claims that it was asked under, at once; `about` are the marks of its prompts.
        Gives back what the cache holds afterwards: the first answer to a key stays."""
        text = json.dumps(vars(answer), ensure_ascii=False)
        try:
            size = len(text.encode())
        except UnicodeEncodeError:  # half a surrogate pair, which JSON may hold and SQLite may not
            text = json.dumps(vars(answer))
            size = len(text)
        counts = (answer.tokens_in, answer.tokens_out, answer.batched, size)
        row = (key, model, text, domain, place, *counts, packed(about))
        with self._writing():
            new = self._run(_PUT, row).rowcount
            self.release(claimed)
        return answer if new else self.get(key) or answer

    def _forget(self, askers: Iterable[str]) -> None:
        for name in askers:
            self._run("DELETE FROM claims WHERE asker = ?", (name,))

    # --- keeping house -----------------------------------------------------------------------------------------------

    def counts(self, selection: Selection) -> list[Count]:
        where, values = selection.where()
        rows = self._run(_COUNTS.format(where), values).fetchall()
        return [Count(*row) for row in rows]

    def drop(self, selection: Selection) -> None:
        """Deletes answers and gives their room back to the disk, a little at a time: others may go on writing."""
        where, values = selection.where()
        last = self._run("SELECT coalesce(max(rowid), 0) FROM answers").fetchone()[0]
        for first in range(0, last + 1, _AT_A_TIME):
            span = (first, first + _AT_A_TIME - 1)
            self._run(f"DELETE FROM answers WHERE rowid BETWEEN ? AND ? AND {where}", (*span, *values))
        if self._run("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:  # one of the first caches
            self._run("PRAGMA auto_vacuum=INCREMENTAL")
            self._run("VACUUM")
        free = self._free_pages()
        while free:
            self._run(f"PRAGMA incremental_vacuum({_AT_A_TIME})").fetchall()
            before, free = free, self._free_pages()
            if free >= before:  # another process has dropped something too
                break
        self._run("PRAGMA wal_checkpoint(TRUNCATE)")

    def noted(self, domain: str) -> Iterator[tuple[str, str, set[int] | None]]:
        """(key, text, marks of its prompts) of every answer that was asked for by the domain, or by nobody knows whom; None
        where an older zoo did not note the marks."""
        rows = self._run("SELECT key, answer, marks FROM answers WHERE domain IN (?, '')", (domain,))
        for key, answer, about in rows:
            yield key, json.loads(answer)["text"], None if about is None else unpacked(about)

    def erase(self, keys: Sequence[str]) -> None:
        """Deletes these answers so that the file, and its log, hold not a word of them any more."""
        for n in range(0, len(keys), _AT_A_TIME):
            some = json.dumps(keys[n : n + _AT_A_TIME])
            self._run("DELETE FROM answers WHERE key IN (SELECT value FROM json_each(?))", (some,))
        self._run("VACUUM")
        self._run("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _free_pages(self) -> int:
        return int(self._run("PRAGMA freelist_count").fetchone()[0])

    def close(self) -> None:
        if self._asker:
            self._forget([self._asker.name])
            self._asker.close()
        self._db.close()


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
