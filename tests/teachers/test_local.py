from __future__ import annotations

import asyncio

import pytest

from tests.fakes.models import tiny_weights
from zoo.teachers import Answer, Request
from zoo.teachers.local import LocalTeacher, _circles, _closes
from zoo.weights import Weights

SCHEMA = {"type": "object", "properties": {"question": {"type": "string"}}, "required": ["question"]}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return tiny_weights(tmp_path_factory.mktemp("tiny"))


def ask(weights: Weights, *requests: Request, seed: int = 0) -> list[Answer]:
    async def run() -> list[Answer]:
        teacher = LocalTeacher(weights, 16, seed)
        try:
            return list(await asyncio.gather(*(teacher.ask(r) for r in requests)))
        finally:
            await teacher.close()

    return asyncio.run(run())


def request(text: str, sample: int = 0, tokens: int = 12, temperature: float = 0.9) -> Request:
    return Request(({"role": "user", "content": text},), tokens, temperature, None, sample)


def test_an_answer_depends_on_its_request_and_not_on_its_batch(weights: Weights) -> None:
    texts = ["Which drug?", "Answer yes, no or maybe, and think of the guideline before.", "user"]
    requests = [request(t, s) for t in texts for s in (0, 1, 2)] + [request("another", 5)]
    together = ask(weights, *requests)
    assert together == ask(weights, *reversed(requests))[::-1]
    assert [ask(weights, r)[0].text for r in requests] == [a.text for a in together]


def test_samples_differ_and_the_seed_decides_them(weights: Weights) -> None:
    requests = [request("Which drug?", s) for s in range(3)]
    one, again, other = ask(weights, *requests), ask(weights, *requests), ask(weights, *requests, seed=1)
    assert one == again and len({a.text for a in one}) == 3
    assert one[0] == other[0] and one[1] != other[1]


def test_an_answer_that_meets_its_limit_is_cut_off(weights: Weights) -> None:
    short, long = ask(weights, request("Which drug?", tokens=3), request("Which drug?", tokens=9))
    assert short.finish == "length" and short.tokens_out == 3 and long.tokens_out <= 9
    assert long.text.startswith(short.text)


def test_json_is_begun_for_the_model(weights: Weights) -> None:
    (answer,) = ask(weights, Request(({"role": "user", "content": "Write."},), 8, 0.0, SCHEMA))
    assert answer.text.startswith('{"question": "')


def test_an_object_is_closed_at_its_own_brace() -> None:
    assert _closes('{"a": "}"}') and _closes('{"a": {"b": 1}} and more')
    assert not _closes('{"a": "}') and not _closes('{"a": {"b": 1}') and not _closes('{"a": "x')


def test_an_answer_that_goes_in_circles_is_ended() -> None:
    assert _circles([9, 9, *[1, 2, 3, 4, 5] * 5]) and _circles([7] * 24)
    assert not _circles([1, 2, 3, 4, 5] * 4) and not _circles(list(range(100)))
