from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from zoo.errors import ZooError
from zoo.teachers import Answer, Request, Unanswered
from zoo.teachers.cache import Cache, CachedTeacher

REQUEST = Request(({"role": "user", "content": "hello"},), 32)


class Counting:
    model, answer_tokens = "m", 32

    def __init__(self, where: str = "here") -> None:
        self.places, self.asked = (where,), 0

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
        assert (cached.usage.calls, cached.usage.cached, cached.usage.tokens_out) == (5, 4, 20)

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
    assert len({cached.key(REQUEST), cached.key(other), elsewhere.key(REQUEST)}) == 3


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


def test_a_file_that_is_no_cache_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "c.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(ZooError, match="cannot be opened"):
        Cache(tmp_path / "c.sqlite")
