from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from zoo.errors import ZooError
from zoo.teachers import Answer, Request, Unanswered
from zoo.teachers.cache import Cache, CachedTeacher
from zoo.teachers.store import Count, Selection

REQUEST = Request(({"role": "user", "content": "hello"},), 32)


class Counting:
    model, answer_tokens = "m", 32

    def __init__(self, *places: str) -> None:
        self.places, self.asked = places or ("here",), 0

    async def ask(self, request: Request) -> Answer:
        self.asked += 1
        await asyncio.sleep(0.01)
        if request.max_tokens == 1:
            raise Unanswered("no")
        return Answer(f"answer {self.asked}", "stop", 3, 4)

    async def close(self) -> None:
        pass


def test_an_answer_is_asked_for_once_also_when_wanted_twice_at_a_time(tmp_path: Path) -> None:
    async def run() -> None:
        teacher = Counting()
        cached = CachedTeacher(teacher, Cache(tmp_path / "c.sqlite"))
        answers = await asyncio.gather(*(cached.ask(REQUEST) for _ in range(5)))
        assert {a.text for a in answers} == {"answer 1"} and teacher.asked == 1
        assert (cached.usage.calls, cached.usage.cached) == (5, 4)
        await cached.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, sample=1), replace(REQUEST, temperature=0.5), replace(REQUEST, max_tokens=33),
        replace(REQUEST, schema={}), replace(REQUEST, messages=({"role": "user", "content": "hallo"},)),
    ],
)  # fmt: skip
def test_whatever_decides_an_answer_is_in_its_key(tmp_path: Path, other: Request) -> None:
    cached = CachedTeacher(Counting(), Cache(tmp_path / "c.sqlite"))
    elsewhere = CachedTeacher(Counting("there"), cached.cache)
    assert len({*cached.keys(REQUEST), *cached.keys(other), *elsewhere.keys(REQUEST)}) == 3


def test_every_place_of_a_teacher_has_its_own_key_which_does_not_depend_on_the_others(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c.sqlite")
    one, two, three = (CachedTeacher(Counting(*p), cache) for p in (("a",), ("a", "b"), ("c", "b", "a")))
    assert one.keys(REQUEST) == two.keys(REQUEST)[:1] and two.keys(REQUEST) == three.keys(REQUEST)[:0:-1]


@pytest.mark.parametrize("text", ["\ud800 half a pair", "ß €", "\x00 nul", ""])
def test_any_text_comes_back_as_it_was(tmp_path: Path, text: str) -> None:
    cache = Cache(tmp_path / "c.sqlite")
    cache.put("k", "m", Answer(text, "stop"))
    cache.close()
    found = Cache(tmp_path / "c.sqlite").get("k")
    assert found is not None and found.text == text


def test_a_cache_of_before_is_read_and_counted(tmp_path: Path) -> None:
    """Its table had four columns, and its keys were of the whole request with the place in it."""
    path = tmp_path / "c.sqlite"
    old = sqlite3.connect(path)
    old.execute("PRAGMA journal_mode=WAL")
    old.execute(
        "CREATE TABLE answers (key TEXT PRIMARY KEY, model TEXT, answer TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP)"
    )
    whole = {"model": "m", "where": "http://h:1/v1 ü", **REQUEST.as_data()}
    key = hashlib.sha256(
        json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    ).hexdigest()
    answer = json.dumps({"text": "old", "finish": "stop", "tokens_in": 7, "tokens_out": 2})
    old.execute("INSERT INTO answers VALUES (?, 'm', ?, '2025-01-02 03:04:05')", (key, answer))
    old.commit()
    old.close()

    async def run() -> None:
        cached = CachedTeacher(Counting("http://h:1/v1 ü"), Cache(path))
        assert (await cached.ask(REQUEST)).text == "old"
        assert cached.cache.counts(Selection()) == [
            Count("", "m", "", 1, len(answer), 7, 2, 0, "2025-01-02", "2025-01-02")
        ]
        cached.cache.drop(Selection(model="m"))
        assert cached.cache.counts(Selection()) == []
        await cached.close()

    asyncio.run(run())


def test_a_failure_is_not_kept(tmp_path: Path) -> None:
    async def run() -> None:
        teacher = Counting()
        cached = CachedTeacher(teacher, Cache(tmp_path / "c.sqlite"))
        for _ in range(2):
            with pytest.raises(Unanswered):
                await cached.ask(replace(REQUEST, max_tokens=1))
        assert teacher.asked == 2

    asyncio.run(run())


def test_the_first_answer_stays_and_two_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    code = (
        "import sys; from pathlib import Path; from zoo.teachers import Answer; from zoo.teachers.cache import Cache\n"
        "c = Cache(Path(sys.argv[1]))\n"
        "for i in range(300): c.put(f'k{i}', 'm', Answer(sys.argv[2], 'stop'))"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(path), who]) for who in ("one", "two")]
    assert [p.wait(60) for p in both] == [0, 0]
    cache = Cache(path)
    answers = [cache.get(f"k{i}") for i in range(300)]
    assert all(a is not None and a.text in ("one", "two") for a in answers)
    first = answers[0]
    assert cache.put("k0", "m", Answer("three", "stop")) == first


def test_opening_waits_while_another_process_holds_the_file(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "c.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE unrelated (x)")
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.5, lambda: other.execute("COMMIT"))
    release.start()
    cache = Cache(tmp_path / "c.sqlite")
    release.join()
    assert cache.put("k", "m", Answer("text", "stop")).text == "text"


def no_database(path: Path) -> None:
    path.write_bytes(b"no database" * 100)


def of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE answers (question TEXT, answer TEXT)")
    db.close()


@pytest.mark.parametrize("make", [no_database, of_another_program])
def test_a_file_that_is_no_cache_is_said_to_be_none_and_stays_as_it_is(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(path := tmp_path / "c.sqlite")
    with pytest.raises(ZooError, match=r"c\.sqlite cannot be opened .*; move it away and run again"):
        Cache(path)
    if make is of_another_program:
        db = sqlite3.connect(path)
        assert [row[1] for row in db.execute("PRAGMA table_info(answers)")] == ["question", "answer"]


@pytest.mark.skipif(sys.platform != "linux", reason="files that take nothing")
def test_a_file_that_takes_nothing_is_not_said_to_be_in_the_way(tmp_path: Path) -> None:
    """Moving it away would lose what is in it, and help nobody."""
    (locked := tmp_path / "locked.sqlite").symlink_to("/proc/version")
    with pytest.raises(ZooError, match=r"locked\.sqlite cannot be opened .*; make it and its folder writable"):
        Cache(locked)
    (full := tmp_path / "full.sqlite").symlink_to("/dev/full")
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        Cache(full)


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    cache = Cache(path)
    for n in range(300):
        cache.put(f"k{n}", "m", Answer("text" * 200, "stop"))
    cache.close()
    with path.open("r+b") as file:
        file.seek(8 * 4096)
        file.write(b"\xff" * 40 * 4096)
    damaged = Cache(path)
    with pytest.raises(ZooError, match=r"c\.sqlite is damaged .*; move it away and run again"):
        for n in range(300):
            damaged.get(f"k{n}")
