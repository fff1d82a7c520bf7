"""Several processes that want the same answers: one asks, the others wait for it, and ask where it fails or dies."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.teacher import Reply, ScriptedTeacher, serving
from zoo.errors import ZooError
from zoo.teachers import Answer, Request, Unanswered
from zoo.teachers.askers import models_asked
from zoo.teachers.cache import Cache, CachedTeacher

ROOT = Path(__file__).resolve().parents[2]
REQUEST = Request(({"role": "user", "content": "hello"},), 32)


def text(body: dict[str, Any]) -> str:
    return str(body["messages"][0]["content"])


def process(path: Path, url: str, count: int, *more: str) -> subprocess.Popen[str]:
    """One that waits for `go`."""
    command = [sys.executable, "-m", "tests.teachers.ask_job", str(path), url, str(count), *more]
    started = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdout and started.stdout.readline() == "ready\n"
    return started


def go(started: subprocess.Popen[str]) -> None:
    assert started.stdin
    started.stdin.write("go\n")
    started.stdin.flush()


def until(server: ScriptedTeacher, requests: int) -> None:
    deadline = time.monotonic() + 20
    while len(server.log) < requests:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_two_processes_ask_two_hundred_requests_once_between_them(tmp_path: Path) -> None:
    with serving(lambda b, n: Reply(f"{text(b)}, {n}", delay=0.02)) as server:
        both = [process(tmp_path / "c.sqlite", server.url, 200, *more) for more in ((), ("backwards",))]
        for one in both:
            go(one)
        told = [json.loads(p.communicate(timeout=60)[0]) for p in both]
        asked = Counter(text(e.body) for e in server.log)
    assert asked == {f"question {n}": 1 for n in range(200)}
    assert told[0]["texts"] == told[1]["texts"] == [f"question {n}, 0" for n in range(200)]
    assert [t["calls"] for t in told] == [200, 200] and sum(t["cached"] for t in told) == 200
    assert all(t["cached"] < t["calls"] for t in told) and sum(t["calls"] - t["cached"] for t in told) == 200
    assert not list((tmp_path / "asking").iterdir()), "who ends leaves no trace"


def test_the_claims_of_a_killed_process_are_taken_over_within_a_second(tmp_path: Path) -> None:
    with serving(lambda b, n: Reply("late", delay=30) if n == 0 else Reply("good")) as server:
        first, second = (process(tmp_path / "c.sqlite", server.url, 8) for _ in range(2))
        go(first)
        until(server, 8)
        go(second)
        time.sleep(1)
        assert len(server.log) == 8, "the second waits as long as the first lives"
        first.kill()
        killed = time.monotonic()
        first.wait()
        until(server, 16)
        assert time.monotonic() - killed < 2
        assert json.loads(second.communicate(timeout=20)[0])["texts"] == ["good"] * 8
        assert len(server.log) == 16
        first.communicate()


def test_what_a_killed_process_left_is_swept_by_the_next(tmp_path: Path) -> None:
    with serving(lambda b, n: Reply("late", delay=30)) as server:
        first = process(tmp_path / "c.sqlite", server.url, 3)
        go(first)
        until(server, 3)
        first.kill()
        first.communicate()
    assert len(list((tmp_path / "asking").iterdir())) == 1

    async def run() -> None:
        teacher = CachedTeacher(Fake("here"), Cache(tmp_path / "c.sqlite"))
        assert len(list((tmp_path / "asking").iterdir())) == 1 and models_asked(tmp_path / "asking") == {"m"}
        assert (await teacher.ask(REQUEST)).text == "answer of here"
        await teacher.close()

    asyncio.run(run())
    assert not list((tmp_path / "asking").iterdir())


class Fake:
    """Serves one model at several places, answering from the last of them, after a while; its first answers are
    failures."""

    model, answer_tokens = "m", 32

    def __init__(self, *places: str, fails: Iterable[BaseException] = (), takes_s: float = 0.0) -> None:
        self.places, self.asked = places, 0
        self._fails, self._takes_s = list(fails), takes_s

    async def ask(self, request: Request) -> Answer:
        self.asked += 1
        await asyncio.sleep(self._takes_s)
        if self._fails:
            raise self._fails.pop(0)
        return Answer(f"answer of {self.places[-1]}", "stop", 3, 4, place=self.places[-1])

    async def close(self) -> None:
        pass


class CountingCache(Cache):
    looks = 0

    def claimed(self, keys: Iterable[str]) -> set[str]:
        self.looks += 1
        return super().claimed(keys)


def cached(tmp_path: Path, *teachers: Fake) -> list[CachedTeacher]:
    """Each with a connection and a lock of its own, as processes have."""
    return [CachedTeacher(t, CountingCache(tmp_path / "c.sqlite")) for t in teachers]


@pytest.mark.parametrize(
    "failure", [Unanswered("no"), ZooError("never"), RuntimeError("what"), asyncio.CancelledError()]
)
def test_where_the_one_that_asks_fails_another_asks_at_once(tmp_path: Path, failure: BaseException) -> None:
    async def run() -> None:
        teachers = Fake("here", fails=[failure], takes_s=0.3), Fake("here"), Fake("here")
        behind = cached(tmp_path, *teachers)
        asking = [asyncio.ensure_future(behind[0].ask(REQUEST))]
        await asyncio.sleep(0.1)
        asking += [asyncio.ensure_future(t.ask(REQUEST)) for t in behind[1:]]
        began = time.monotonic()
        said = await asyncio.gather(*asking, return_exceptions=True)
        assert time.monotonic() - began < 1
        assert type(said[0]) is type(failure)
        assert [a.text for a in said[1:] if isinstance(a, Answer)] == ["answer of here"] * 2
        assert (teachers[0].asked, teachers[1].asked + teachers[2].asked) == (1, 1)
        for t in behind:
            await t.close()

    asyncio.run(run())


def test_an_asker_that_is_called_off_leaves_the_request_to_who_waits_in_its_own_process(tmp_path: Path) -> None:
    async def run() -> None:
        (teacher,) = cached(tmp_path, fake := Fake("here", takes_s=0.2))
        first, second = (asyncio.ensure_future(teacher.ask(REQUEST)) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        assert (await second).text == "answer of here" and fake.asked == 2
        assert first.cancelled()
        third, fourth = (asyncio.ensure_future(teacher.ask(other("x"))) for _ in range(2))
        await asyncio.sleep(0.05)
        fourth.cancel()
        assert (await third).text == "answer of here" and fake.asked == 3 and fourth.cancelled()
        await teacher.close()

    asyncio.run(run())


def other(content: str) -> Request:
    return Request(({"role": "user", "content": content},), 32)


def test_many_that_wait_look_up_together(tmp_path: Path) -> None:
    async def run() -> None:
        asks, waits = cached(tmp_path, Fake("here", takes_s=1.0), fake := Fake("here"))
        all_asked = [t.ask(other(str(n))) for t in (asks, waits) for n in range(300)]
        said = await asyncio.gather(*all_asked)
        assert len(said) == 600 and fake.asked == 0
        assert isinstance(waits.cache, CountingCache) and 1 < waits.cache.looks < 40
        for t in (asks, waits):
            await t.close()

    asyncio.run(run())


def test_places_that_overlap_are_claimed_together_and_answers_never_pass_between_servers(tmp_path: Path) -> None:
    async def run() -> None:
        fakes = Fake("a", "b", takes_s=0.3), Fake("b", "c", takes_s=0.3), Fake("c", takes_s=0.3)
        both, overlapping, apart = cached(tmp_path, *fakes)
        said = await asyncio.gather(both.ask(REQUEST), overlapping.ask(REQUEST), apart.ask(REQUEST))
        # The second wants what the first is getting at b. The third is another server, which it was faster to ask.
        assert [a.text for a in said] == ["answer of b", "answer of b", "answer of c"]
        assert [f.asked for f in fakes] == [1, 0, 1]
        alone = {p: cached(tmp_path, Fake(p))[0] for p in ("a", "b")}
        assert (await alone["b"].ask(REQUEST)).text == "answer of b" and alone["b"].usage.cached == 1
        assert (await alone["a"].ask(REQUEST)).text == "answer of a" and alone["a"].usage.cached == 0
        for t in (both, overlapping, apart, *alone.values()):
            await t.close()

    asyncio.run(run())


@pytest.mark.parametrize("place", ["first found", "left empty"])
def test_an_answer_is_found_again_under_whichever_place_gave_it(tmp_path: Path, place: str) -> None:
    async def run() -> None:
        (before,) = cached(tmp_path, Fake("a", "b"))
        before.keep(REQUEST, Answer("kept", "stop", place="b" if place == "first found" else ""))
        (after,) = cached(tmp_path, Fake("b", "c") if place == "first found" else Fake("c", "a"))
        assert after.find(REQUEST) == await after.ask(REQUEST) and after.usage.cached == 1
        for t in (before, after):
            await t.close()

    asyncio.run(run())
