from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.teacher import Reply, ScriptedTeacher, serving
from zoo.errors import ZooError
from zoo.teachers import Answer, Request, Unanswered, endpoint
from zoo.teachers.chosen import Endpoint
from zoo.teachers.endpoint import EndpointTeacher, address
from zoo.teachers.ratelimit import retry_after

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def request(text: str = "hello", **more: Any) -> Request:
    return Request(({"role": "user", "content": text},), 32, **more)


def ask(server: ScriptedTeacher, *requests: Request, retries: int = 2, timeout_s: float = 1.0) -> list[Answer]:
    async def run() -> list[Answer]:
        teacher = EndpointTeacher(Endpoint(server.url, "m", "sk-1"), timeout_s, retries, 4, 32)
        try:
            return list(await asyncio.gather(*(teacher.ask(r) for r in requests)))
        finally:
            await teacher.close()

    return asyncio.run(run())


def once(reply: Reply) -> Callable[[dict[str, Any], int], Reply]:
    return lambda body, before: reply if before == 0 else Reply("good")


@pytest.mark.parametrize(
    "first",
    [
        Reply(status=429), Reply(status=500), Reply(status=503), Reply(status=408), Reply(drop=True),
        Reply("x", delay=1.5), Reply(status=429, headers={"retry-after": "0.2"}), Reply(raw="<html>busy</html>"),
        Reply(raw="[" * 100_000), Reply(raw="x", headers={"transfer-encoding": "chunked"}),
        Reply(raw="{}"), Reply(raw='{"choices": []}'), Reply(raw="[1]"), Reply(raw='{"error": {"message": "loading"}}'),
    ],
)  # fmt: skip
def test_a_passing_trouble_is_tried_again(first: Reply) -> None:
    with serving(once(first)) as server:
        (answer,) = ask(server, request())
        assert answer == Answer("good", "stop", 10, 5, place=server.url) and len(server.log) == 2


def test_retry_after_is_kept_to() -> None:
    with serving(once(Reply(status=429, headers={"retry-after": "1.2"}))) as server:
        began = time.monotonic()
        ask(server, request())
        assert time.monotonic() - began >= 1.2
    assert retry_after({"retry-after": "soon"}) is None and retry_after({}) is None
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0


def test_a_server_that_asks_for_no_time_is_given_some_all_the_same() -> None:
    """It says so of every reply; without a wait all tries would be used up within milliseconds."""
    reply = Reply(status=503, headers={"retry-after": "0"})
    with serving(lambda b, n: reply if n < 2 else Reply("good")) as server:
        ask(server, request())
        at = [e.at for e in server.log]
    assert at[1] - at[0] > 0.3 and at[2] - at[1] > 0.7


def test_a_long_wait_that_the_server_asks_for_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    async def run(url: str) -> None:
        teacher = EndpointTeacher(Endpoint(url, "m", "k"), 5.0, 0, 4, 32)
        asked = [asyncio.ensure_future(teacher.ask(request(str(n)))) for n in range(3)]
        await asyncio.wait(asked, timeout=2)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await teacher.close()

    with serving(lambda b, n: Reply(status=429, headers={"retry-after": "90"})) as server:
        asyncio.run(run(server.url))
    assert capsys.readouterr().err.count("asks for 90 s without requests (status 429)") == 1


def test_a_stuck_connection_stalls_nobody_else() -> None:
    def script(body: dict[str, Any], before: int) -> Reply:
        return Reply("late", delay=4) if body["messages"][0]["content"] == "stuck" else Reply("good")

    with serving(script) as server:

        async def run() -> tuple[float, str]:
            teacher = EndpointTeacher(Endpoint(server.url, "m", "k"), 2.5, 0, 2, 32)
            began = time.monotonic()
            stuck = asyncio.ensure_future(teacher.ask(request("stuck")))
            await asyncio.gather(*(teacher.ask(request(str(n))) for n in range(6)))
            others = time.monotonic() - began
            with pytest.raises(Unanswered, match=r"no answer within 2\.5 s"):
                await stuck
            await teacher.close()
            return others, ""

        assert asyncio.run(run())[0] < 2


def test_the_server_never_has_more_to_do_than_was_allowed() -> None:
    with serving(lambda b, n: Reply("good", delay=0.4)) as server:
        ask(server, *(request(str(n)) for n in range(6)), timeout_s=5.0)
        at = sorted(e.at for e in server.log)
    assert at[4] - at[0] >= 0.4


def test_trouble_that_stays_is_unanswered_with_its_reason() -> None:
    with serving(lambda b, n: Reply(status=500, error="on fire")) as server:
        with pytest.raises(Unanswered, match=r"status 500: on fire \(2 tries\)"):
            ask(server, request(), retries=1)
        assert len(server.log) == 2


def test_what_is_no_http_is_told_in_one_line() -> None:
    reply = Reply(raw="x", headers={"transfer-encoding": "chunked"})
    with serving(lambda b, n: reply) as server, pytest.raises(Unanswered) as caught:
        ask(server, request(), retries=0)
    assert str(caught.value).startswith("connection: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "shown"), [("<html>Please log in</html>", "'<html>Please log in"), ("", "but nothing")]
)
def test_a_page_in_an_answers_place_is_shown(raw: str, shown: str) -> None:
    with serving(lambda b, n: Reply(raw=raw)) as server, pytest.raises(Unanswered) as caught:
        ask(server, request(), retries=0)
    assert str(caught.value).startswith("the server's reply is no chat completion but") and shown in str(caught.value)


def test_a_request_the_server_will_not_take_is_not_tried_again() -> None:
    with serving(lambda b, n: Reply(status=400, error="too many tokens")) as server:
        with pytest.raises(Unanswered, match="too many tokens"):
            ask(server, request())
        assert len(server.log) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_no_request_can_pass_stops_everything(status: int) -> None:
    with serving(lambda b, n: Reply(status=status)) as server, pytest.raises(ZooError) as caught:
        ask(server, request())
    assert "sk-1" not in str(caught.value) and len(server.log) == 1


def test_a_schema_is_sent_and_finish_reasons_are_told_apart() -> None:
    replies = {
        "cut": Reply("half", finish="length"),
        "no": Reply(None, refusal="no"),
        "filter": Reply("", finish="content_filter"),
    }
    with serving(lambda b, n: replies[b["messages"][0]["content"]]) as server:
        answers = ask(server, *(request(t, schema=SCHEMA) for t in replies))
    assert [a.finish for a in answers] == ["length", "refused", "filtered"]
    assert server.log[0].body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert json.dumps(server.log[0].body["max_tokens"]) == "32"


def test_a_server_that_is_asked_too_often_is_asked_again_until_it_answers() -> None:
    times: list[float] = []

    def script(body: dict[str, Any], before: int) -> Reply:
        times.append(time.monotonic())
        crowd = sum(t > time.monotonic() - 0.3 for t in times)
        return Reply(status=429) if crowd > 5 else Reply("good")

    with serving(script) as server:
        answers = ask(server, *(request(str(n)) for n in range(12)), retries=0)
    assert [a.text for a in answers] == ["good"] * 12 and any(e.reply.status == 429 for e in server.log)


def test_one_that_only_ever_says_so_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "PATIENCE_S", 1.0)
    with serving(lambda b, n: Reply(status=429, error="slow down")) as server:
        with pytest.raises(Unanswered, match="status 429: slow down"):
            ask(server, request(), retries=0)
        assert len(server.log) > 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=429, error="You exceeded your current quota, please check your plan."), Reply(status=402),
        Reply(status=400, error="Your credit balance is too low"),
    ],
)  # fmt: skip
def test_an_account_with_nothing_left_stops_everything(reply: Reply) -> None:
    with serving(lambda b, n: reply) as server, pytest.raises(ZooError, match="nothing left to spend"):
        ask(server, request())
    assert len(server.log) == 1


def test_what_the_providers_filter_took_is_an_answer_of_its_own() -> None:
    said = "The response was filtered due to the prompt triggering the content management policy."
    with serving(lambda b, n: Reply(status=400, error=said)) as server:
        (answer,) = ask(server, request(schema=SCHEMA))
    assert (answer.text, answer.finish, len(server.log)) == ("", "filtered", 1)


def test_as_many_connections_are_opened_as_the_pace_allows() -> None:
    with serving(lambda b, n: Reply("good", delay=0.3)) as server:

        async def run() -> None:
            teacher = EndpointTeacher(Endpoint(server.url, "m", "k"), 20.0, 0, 150, 32)
            await teacher.ask(request("first"))
            teacher.pace._set(150)  # as a server would have it that never slows down
            await asyncio.gather(*(teacher.ask(request(str(n))) for n in range(300)))
            await teacher.close()

        asyncio.run(run())
    assert 110 < server.most_at_once <= 150


def test_what_the_headers_allow_is_kept_to() -> None:
    def script(body: dict[str, Any], before: int) -> Reply:
        left = max(0, 2 - len(server.log))
        return Reply("good", headers={"x-ratelimit-remaining-requests": str(left), "x-ratelimit-reset-requests": "3s"})

    with serving(script) as server:

        async def run() -> None:
            teacher = EndpointTeacher(Endpoint(server.url, "m", "k"), 20.0, 0, 8, 32)
            await teacher.ask(request("first"))
            await asyncio.gather(*(teacher.ask(request(str(n))) for n in range(4)))
            await teacher.close()

        asyncio.run(run())
        at = sorted(e.at for e in server.log)
    # On a machine so busy that the others start after these seconds, nothing holds them any more.
    assert at[3] - at[2] >= 2.9


def test_an_address_holds_no_secret() -> None:
    assert address("https://user:secret@host.example:8443/v1/?key=secret") == "https://host.example:8443/v1"
    assert address(None) == "https://api.openai.com/v1"
    assert "sk-1" not in repr(Endpoint("http://x", "m", "sk-1"))
