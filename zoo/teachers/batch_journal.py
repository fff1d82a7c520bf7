"""What was submitted in batches, written down before and after, so that after a kill nothing is submitted twice.

A submission has an id of its own before anything is sent, and its batch at the server names that id. Its process holds a
lock on it, which the kernel drops with the process; then another process may take it up.
"""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from zoo.errors import ZooError
from zoo.lock import locked
from zoo.teachers import Request

_TABLES = """
CREATE TABLE IF NOT EXISTS submissions (id TEXT PRIMARY KEY, place TEXT, model TEXT, at REAL, file TEXT, batch TEXT);
CREATE TABLE IF NOT EXISTS lines (submission TEXT, id TEXT, request TEXT, body TEXT, tries INTEGER,
    PRIMARY KEY (submission, id)) WITHOUT ROWID;
"""
FILE = "journal.sqlite"
_PATIENCE_S = 60.0


@dataclass
class Line:
    """A request in a batch or on its way to one. `body` is as it was last sent, `form` how it shall ask for JSON where
    that is decided already, `tries` how many batches it failed in."""

    id: str
    request: Request
    body: dict[str, Any] = field(default_factory=dict)
    tries: int = 0
    form: str | None = None


@dataclass
class Submission:
    """Lines that go together. `file` and `batch` are the server's ids of them, once it has given one; `at` is in seconds
    since 1970."""

    id: str
    at: float
    lines: dict[str, Line]
    lock: BinaryIO
    file: str | None = None
    batch: str | None = None


class Journal:
    """The submissions of one server's model, of all processes on this workspace."""

    def __init__(self, folder: Path, place: str, model: str) -> None:
        self.folder, self.place, self.model = folder, place, model
        self._mine: dict[str, Submission] = {}
        path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level="IMMEDIATE")
            self._db.executescript(_TABLES)
        except (OSError, sqlite3.Error) as e:
            raise ZooError(f"The journal of batches {path} cannot be opened ({e}); move it away and run again.") from e

    def begin(self, lines: Sequence[Line]) -> Submission:
        """To be called before anything is sent."""
        id_ = uuid.uuid4().hex
        lock = locked(self._lock(id_), wait=True)
        assert lock is not None
        made = Submission(id_, time.time(), {x.id: x for x in lines}, lock)
        rows = [(id_, x.id, _written(x.request), json.dumps(x.body), x.tries) for x in lines]
        with self._db:
            self._db.execute(
                "INSERT INTO submissions (id, place, model, at) VALUES (?, ?, ?, ?)",
                (id_, self.place, self.model, made.at),
            )
            self._db.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?)", rows)
        self._mine[id_] = made
        return made

    def uploaded(self, submission: Submission, file: str) -> None:
        submission.file = file
        with self._db:
            self._db.execute("UPDATE submissions SET file = ? WHERE id = ?", (file, submission.id))

    def created(self, submission: Submission, batch: str) -> None:
        submission.batch = batch
        with self._db:
            self._db.execute("UPDATE submissions SET batch = ? WHERE id = ?", (batch, submission.id))

    def done(self, submission: Submission) -> None:
        """To be called once every answer is kept elsewhere, or where nothing was ever created."""
        with self._db:
            self._db.execute("DELETE FROM lines WHERE submission = ?", (submission.id,))
            self._db.execute("DELETE FROM submissions WHERE id = ?", (submission.id,))
        del self._mine[submission.id]
        self._lock(submission.id).unlink(missing_ok=True)
        submission.lock.close()

    def orphans(self) -> list[Submission]:
        """Those whose process has died, which are this process's from now on."""
        found = []
        for (id_,) in self._rows("SELECT id FROM submissions WHERE place = ? AND model = ?", self.place, self.model):
            if id_ in self._mine or (lock := locked(self._lock(id_), wait=False)) is None:
                continue
            rows = self._rows("SELECT at, file, batch FROM submissions WHERE id = ?", id_)
            if not rows:  # its process was done with it a moment ago
                self._lock(id_).unlink(missing_ok=True)
                lock.close()
                continue
            (at, file, batch) = rows[0]
            lines = {
                line: Line(line, _request(request), json.loads(body), tries)
                for line, request, body, tries in self._rows(
                    "SELECT id, request, body, tries FROM lines WHERE submission = ?", id_
                )
            }
            self._mine[id_] = Submission(id_, at, lines, lock, file, batch)
            found.append(self._mine[id_])
        return found

    def elsewhere(self) -> set[str]:
        """Ids of the lines that are under way in a batch of another process."""
        rows = self._rows(
            "SELECT lines.submission, lines.id FROM lines JOIN submissions ON submissions.id = lines.submission "
            "WHERE place = ? AND model = ?", self.place, self.model,
        )  # fmt: skip
        return {line for submission, line in rows if submission not in self._mine}

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        return self._db.execute(query, values).fetchall()

    def _lock(self, id_: str) -> Path:
        return self.folder / f"{id_}.lock"

    def close(self) -> None:
        """What is not done is any process's to take up."""
        for submission in self._mine.values():
            submission.lock.close()
        self._mine.clear()
        self._db.close()


def under_way(folder: Path, place: str, model: str) -> int:
    """How many requests are in batches that nobody has fetched yet."""
    if not (folder / FILE).is_file():
        return 0
    journal = Journal(folder, place, model)
    count = len(journal.elsewhere())
    journal.close()
    return count


def erase(folder: Path, holds: Callable[[list[str]], bool], drop: bool) -> int:
    """How many requests are noted whose texts, those of the prompts before them too, `holds` says yes to; with `drop` they
    are noted no more, and the file holds not a word of them: their answers, should they come, are nobody's."""
    if not (folder / FILE).is_file():
        return 0
    db = sqlite3.connect(folder / FILE, timeout=_PATIENCE_S, isolation_level=None)
    try:
        found = [
            (submission, line)
            for submission, line, text in db.execute("SELECT submission, id, request FROM lines").fetchall()
            if holds(_request(text).texts)
        ]
        if drop:
            db.executemany("DELETE FROM lines WHERE submission = ? AND id = ?", found)
            db.execute("VACUUM")
        return len(found)
    except sqlite3.Error as e:
        raise ZooError(
            f"The journal of batches {folder / FILE} cannot be read ({e}); move it away and run again."
        ) from e
    finally:
        db.close()


def _written(request: Request) -> str:
    return json.dumps({**request.as_data(), "before": request.before})


def _request(text: str) -> Request:
    data = json.loads(text)
    return Request(**{**data, "messages": tuple(data["messages"]), "before": tuple(data.get("before", ()))})
