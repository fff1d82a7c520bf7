"""What a server lacks is found out over real HTTP, once, and what it replies is read."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.fakes.teacher import Reply, ScriptedTeacher, serving
from zoo.teachers import Answer, Request, Unanswered
from zoo.teachers.chosen import Endpoint
from zoo.teachers.endpoint import EndpointTeacher
from zoo.teachers.wire import Malformed, read

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def wanted(n: int, schema: dict[str, Any] | None = SCHEMA) -> Request:
    return Request(
        ({"role": "system", "content": "be brief"}, {"role": "user", "content": f"ask {n}"}), 32, schema=schema
    )


def ask(server: ScriptedTeacher, *requests: Request) -> list[Answer]:
    async def run() -> list[Answer]:
        teacher = EndpointTeacher(Endpoint(server.url, "m", "k"), 5.0, 0, 16, 32)
        try:
            return list(await asyncio.gather(*(teacher.ask(r) for r in requests)))
        finally:
            await teacher.close()

    return asyncio.run(run())


def formats(server: ScriptedTeacher) -> list[str]:
    return [e.body.get("response_format", {}).get("type", "none") for e in server.log]


def lacking(*types: str, said: str = "response_format {} is not supported by this model") -> Any:
    def script(body: dict[str, Any], before: int) -> Reply:
        form = body.get("response_format", {}).get("type")
        return Reply(status=400, error=said.format(form)) if form in types else Reply('{"a": "b"}')

    return script


@pytest.mark.parametrize(
    ("lacks", "sent"),
    [
        ((), ["json_schema"] * 20),
        (("json_schema",), ["json_schema"] + ["json_object"] * 20),
        (("json_schema", "json_object"), ["json_schema", "json_object"] + ["none"] * 20),
    ],
)
@pytest.mark.parametrize("said", ["response_format {} is not supported by this model", "Bad Request"])
def test_how_a_server_gives_json_is_found_out_by_one_request(
    lacks: tuple[str, ...], sent: list[str], said: str
) -> None:
    with serving(lacking(*lacks, said=said)) as server:
        answers = ask(server, *(wanted(n) for n in range(20)))
    assert [a.text for a in answers] == ['{"a": "b"}'] * 20
    assert formats(server) == sent
    told = server.log[-1].body["messages"][-1]["content"]
    assert (json.dumps(SCHEMA) in told) == bool(lacks) and told.startswith("ask ")


def test_parameters_that_a_server_does_not_know_are_left_out() -> None:
    def script(body: dict[str, Any], before: int) -> Reply:
        if "max_tokens" in body:
            return Reply(status=400, error="Unsupported parameter: 'max_tokens'; use 'max_completion_tokens' instead.")
        if "temperature" in body:
            return Reply(status=400, error="'temperature' does not support 0.0, only the default (1) is supported.")
        return Reply("good")

    with serving(script) as server:
        ask(server, *(wanted(n, None) for n in range(6)))
        assert [e.reply.status for e in server.log] == [400, 400, *[200] * 6]
        assert server.log[-1].body["max_completion_tokens"] == 32


def test_a_request_that_is_wrong_in_itself_teaches_nothing() -> None:
    def script(body: dict[str, Any], before: int) -> Reply:
        long = "ask 3" in body["messages"][1]["content"]
        return Reply(status=400, error="the prompt is too long") if long else Reply('{"a": "b"}')

    with serving(script) as server:
        ask(server, wanted(0), wanted(1))
        with pytest.raises(Unanswered, match="too long"):
            ask(server, wanted(3))
        ask(server, wanted(4))
    assert formats(server) == ["json_schema"] * 2 + ["json_schema", "json_object", "none"] + ["json_schema"]


def completion(**changed: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "text", **changed.pop("message", {})}
    return {"choices": [{"message": message, "finish_reason": "stop", **changed.pop("choice", {})}], **changed}


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (completion(), Answer("text", "stop", place="x")),
        (completion(usage=None), Answer("text", "stop", place="x")),
        (
            completion(usage={"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 8}}),
            Answer("text", "stop", 9, 4, 8, place="x"),
        ),
        (completion(message={"content": [{"text": "a"}, {"text": "b"}]}), Answer("ab", "stop", place="x")),
        (completion(message={"content": None, "refusal": "I cannot"}), Answer("I cannot", "refused", place="x")),
        (completion(message={"content": None, "refusal": {"why": "no"}}), Answer("", "refused", place="x")),
        (completion(message={"content": None}, choice={"finish_reason": "content_filter"}), Answer("", "filtered", place="x")),
        (completion(choice={"finish_reason": "length"}), Answer("text", "length", place="x")),
        (completion(choice={"finish_reason": None}), Answer("text", "stop", place="x")),
    ],
)  # fmt: skip
def test_what_came_back_is_told_apart(reply: dict[str, Any], answer: Answer) -> None:
    assert read(reply, "x") == answer


@pytest.mark.parametrize("count", ["many", -7, float("nan"), float("inf"), 10**30, [7], {}, None])
def test_an_answer_is_none_the_worse_for_counts_that_can_be_none(count: Any) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": count}}
    assert read(completion(usage=usage), "x") == Answer("text", "stop", 0, 4, 0, place="x")
    assert read(completion(usage={**usage, "prompt_tokens_details": count}), "x").tokens_out == 4
    assert read(completion(usage=count), "x") == Answer("text", "stop", place="x")


@pytest.mark.parametrize(
    "reply", [None, [], {}, {"choices": []}, {"choices": [{}]}, {"choices": [{"message": None}]}, "x"]
)
def test_a_reply_that_is_no_completion_is_malformed(reply: Any) -> None:
    with pytest.raises(Malformed):
        read(reply, "x")
