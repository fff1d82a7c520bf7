"""Several servers as one teacher, over real HTTP."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.fakes.launcher import ROOT, free_port
from tests.fakes.teacher import Reply, Script, ScriptedTeacher, serving
from zoo.errors import ZooError
from zoo.teachers import Answer, Request, Unanswered
from zoo.teachers import pool as pooled
from zoo.teachers.chosen import Endpoint
from zoo.teachers.pool import PoolTeacher

SLOTS = 4
DYING = """
import threading
from tests.fakes.teacher import Reply, serving
with serving(lambda body, before: Reply("dying", delay=0.1)) as server:
    print(server.url, flush=True)
    threading.Event().wait()
"""


def request(n: int) -> Request:
    return Request(({"role": "user", "content": str(n)},), 32)


def says(text: str, delay: float = 0.0) -> Script:
    return lambda body, before: Reply(text, delay=delay)


def pool(*urls: str, retries: int = 3, timeout_s: float = 5.0) -> PoolTeacher:
    return PoolTeacher([Endpoint(u, "m", "sk-1") for u in urls], timeout_s, retries, SLOTS, 32)


def asked(teacher: PoolTeacher, count: int, at_once: int = 2 * SLOTS) -> list[Any]:
    """The answers to so many requests, or what was raised for them, in the requests' order."""

    async def run() -> list[Any]:
        room = asyncio.Semaphore(at_once)

        async def one(n: int) -> Answer:
            async with room:
                return await teacher.ask(request(n))

        try:
            return list(await asyncio.gather(*(one(n) for n in range(count)), return_exceptions=True))
        finally:
            await teacher.close()

    return asyncio.run(run())


def closed_url() -> str:
    return f"http://127.0.0.1:{free_port()}/v1"


@pytest.fixture
def servers() -> Any:
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(serving(script))


Servers = Callable[[Script], ScriptedTeacher]


def test_a_fast_server_gets_most_and_none_more_than_it_may_have(servers: Servers) -> None:
    fast, slow = servers(says("fast", 0.02)), servers(says("slow", 0.4))
    answers = asked(pool(fast.url, slow.url), 120)
    assert {a.place: a.text for a in answers} == {fast.url: "fast", slow.url: "slow"}
    assert len(fast.log) + len(slow.log) == 120 and len(fast.log) > 4 * len(slow.log) > 0
    assert fast.most_at_once <= SLOTS and slow.most_at_once <= SLOTS


def test_servers_with_as_much_room_take_turns(servers: Servers) -> None:
    three = [servers(says("good")) for _ in range(3)]
    asked(pool(*(s.url for s in three)), 30, at_once=1)
    assert [len(s.log) for s in three] == [10, 10, 10]


@pytest.mark.parametrize("reply", [Reply(status=503), Reply(drop=True), Reply("late", delay=3.0)])
def test_what_a_failing_server_was_asked_goes_to_the_others(servers: Servers, reply: Reply) -> None:
    bad, good = servers(lambda body, before: reply), servers(says("good"))
    answers = asked(pool(bad.url, good.url, timeout_s=0.5), 40)
    assert [a.text for a in answers] == ["good"] * 40 and {a.place for a in answers} == {good.url}
    assert len(bad.log) <= 2 * SLOTS  # those under way when it was found out, and few more


def test_a_server_that_dies_in_the_middle_loses_nothing(servers: Servers) -> None:
    good = servers(says("good", 0.1))
    dying = subprocess.Popen([sys.executable, "-c", DYING], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert dying.stdout is not None
    url = dying.stdout.readline().strip()

    async def run() -> tuple[list[Answer], list[Answer]]:
        teacher = pool(url, good.url)
        try:
            first = await asyncio.gather(*(teacher.ask(request(n)) for n in range(2 * SLOTS)))
            others = [asyncio.ensure_future(teacher.ask(request(n))) for n in range(20, 40)]
            await asyncio.sleep(0.05)  # each server has some of them
            dying.kill()
            return first, await asyncio.gather(*others)
        finally:
            await teacher.close()

    try:
        first, others = asyncio.run(run())
    finally:
        dying.kill()
        dying.wait()
        dying.stdout.close()
    assert {a.text for a in first} == {"dying", "good"} and {a.place for a in first} == {url, good.url}
    assert [a.text for a in others] == ["good"] * 20


def test_a_server_that_comes_back_is_asked_again(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooled, "FIRST_REST_S", 0.3)
    down = [True]
    back = servers(lambda body, before: Reply(status=500) if down[0] else Reply("back"))
    good = servers(says("good"))

    async def run() -> tuple[list[str], int, list[str]]:
        teacher = pool(back.url, good.url)
        try:
            first = [(await teacher.ask(request(n))).text for n in range(6)]
            troubled = len(back.log)
            down[0] = False
            await asyncio.sleep(0.5)
            return first, troubled, [(await teacher.ask(request(n))).text for n in range(6, 16)]
        finally:
            await teacher.close()

    first, troubled, then = asyncio.run(run())
    assert first == ["good"] * 6 and troubled == 1  # the five others are not sent there
    assert sorted(then) == ["back"] * 5 + ["good"] * 5


def test_a_server_that_is_asked_too_often_leaves_its_requests_to_others(servers: Servers) -> None:
    busy = servers(
        lambda body, before: Reply(status=429, headers={"retry-after": "1"}) if before == 0 else Reply("busy")
    )
    good = servers(says("good"))
    answers = asked(pool(busy.url, good.url), 40)
    assert Counter(a.text for a in answers)["good"] >= 40 - SLOTS and len(answers) == 40
    assert len(busy.log) <= 2 * SLOTS


def test_a_request_fails_only_when_every_server_is_gone() -> None:
    one, two = closed_url(), closed_url()
    began = time.monotonic()
    (failure,) = asked(pool(one, two, retries=1), 1)
    assert isinstance(failure, Unanswered) and not failure.final and time.monotonic() - began < 5
    assert "none of 2 servers answers" in str(failure) and (one in str(failure) or two in str(failure))


def test_a_request_that_no_server_would_take_is_asked_once_and_blamed_on_none(servers: Servers) -> None:
    def script(body: dict[str, Any], before: int) -> Reply:
        return Reply(status=400, error="too long") if body["messages"][0]["content"] == "0" else Reply("good")

    both = [servers(script), servers(script)]
    answers = asked(pool(*(s.url for s in both)), 11, at_once=1)
    assert isinstance(answers[0], Unanswered) and answers[0].final
    assert [len(s.log) for s in both] == [6, 5]


@pytest.mark.parametrize(("status", "said"), [(401, "refused the key"), (404, "knows no model 'm'")])
def test_one_server_that_is_not_the_one_that_was_meant_stops_everything(
    servers: Servers, status: int, said: str
) -> None:
    wrong, good = servers(lambda body, before: Reply(status=status)), servers(says("good"))
    answers = asked(pool(good.url, wrong.url), 2)
    (error,) = [a for a in answers if isinstance(a, ZooError)]
    assert wrong.url in str(error) and said in str(error) and "sk-1" not in str(error)
