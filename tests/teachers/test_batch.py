from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.batches import BatchServer, Line, Plan, batching
from tests.fakes.teacher import Reply
from zoo.errors import ZooError
from zoo.teachers import Answer, Request, Unanswered
from zoo.teachers.batch import BatchTeacher
from zoo.teachers.cache import Cache, CachedTeacher
from zoo.teachers.chosen import Endpoint
from zoo.teachers.endpoint import EndpointTeacher

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BatchTeacher, "settle_s", 0.1)
    monkeypatch.setattr(BatchTeacher, "first_poll_s", 0.02)
    monkeypatch.setattr("zoo.teachers.batch_endpoint.FIRST_WAIT_S", 0.05)


def request(text: str, **more: Any) -> Request:
    return Request(({"role": "user", "content": text},), 32, **more)


def requests(n: int) -> list[Request]:
    return [request(f"question {i}") for i in range(n)]


def said(body: dict[str, Any]) -> str:
    return str(body["messages"][0]["content"])


def echo(body: dict[str, Any], before: int) -> Reply:
    return Reply(f"answer to {said(body)}")


def cached(server: BatchServer, root: Path, retries: int = 2, rows: int = 100) -> CachedTeacher:
    source = BatchTeacher(Endpoint(server.url, "m", "sk-1"), 32, retries, rows, root / "batches")
    return CachedTeacher(source, Cache(root / "teacher.sqlite"))


def ask(server: BatchServer, root: Path, wanted: list[Request], **more: int) -> list[Answer | BaseException]:
    async def run() -> list[Answer | BaseException]:
        teacher = cached(server, root, **more)
        try:
            return await asyncio.gather(*(teacher.ask(r) for r in wanted), return_exceptions=True)
        finally:
            await teacher.close()

    return asyncio.run(run())


def interrupted(server: BatchServer, root: Path, wanted: list[Request], calls: int, call: str = "look") -> None:
    """Asks, and stops once `call` was made `calls` times."""

    async def run() -> None:
        teacher = cached(server, root)
        asked = [asyncio.ensure_future(teacher.ask(r)) for r in wanted]
        while server.calls.count(call) < calls:
            await asyncio.sleep(0.01)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await teacher.close()

    asyncio.run(run())


def texts(answers: list[Answer | BaseException]) -> list[str]:
    assert all(isinstance(a, Answer) for a in answers), answers
    return [a.text for a in answers if isinstance(a, Answer)]


def only_error(answers: list[Answer | BaseException]) -> BaseException:
    (kind,) = {(type(a), str(a)) for a in answers}
    assert isinstance(answers[0], ZooError), kind
    return answers[0]


def left(root: Path) -> list[str]:
    """Locks of submissions that are not done."""
    return [p.name for p in (root / "batches").glob("*.lock")]


def test_what_is_asked_at_a_time_is_one_batch_with_the_bodies_and_answers_of_the_endpoint(tmp_path: Path) -> None:
    wanted = [*requests(6), request("as data", schema=SCHEMA), request("warmer", temperature=0.7)]
    with batching(echo) as server:
        answers = ask(server, tmp_path, wanted)
        sent = [e.body for e in server.log]
        assert len(server.batches) == 1 and server.calls.count("upload") == 1

        async def plainly() -> list[Answer]:
            teacher = EndpointTeacher(Endpoint(server.url, "m", "sk-1"), 5.0, 0, 8, 32)
            try:
                return list(await asyncio.gather(*(teacher.ask(r) for r in wanted)))
            finally:
                await teacher.close()

        assert answers == [replace(a, batched=True) for a in asyncio.run(plainly())]
        one_by_one = [e.body for e in server.log[len(sent) :]]
    assert sorted(map(json.dumps, sent)) == sorted(map(json.dumps, one_by_one))
    assert isinstance(answers[0], Answer) and answers[0].place == server.url and left(tmp_path) == []


def test_what_an_answer_leads_to_makes_the_next_batch(tmp_path: Path) -> None:
    async def item(teacher: CachedTeacher, n: int) -> str:
        first = await teacher.ask(request(f"first {n}"))
        return (await teacher.ask(request(f"second after {first.text}"))).text

    async def run() -> list[str]:
        teacher = cached(server, tmp_path)
        found = await asyncio.gather(*(item(teacher, n) for n in range(5)))
        await teacher.close()
        return list(found)

    with batching(echo) as server:
        assert asyncio.run(run())[4] == "answer to second after answer to first 4"
        assert [len(b.lines) for b in server.batches] == [5, 5]


def test_no_batch_has_more_rows_or_bytes_than_the_server_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with batching(echo) as server:
        assert len(set(texts(ask(server, tmp_path / "rows", requests(8), rows=3)))) == 8
        assert sorted(len(b.lines) for b in server.batches) == [2, 3, 3]
        monkeypatch.setattr("zoo.teachers.batch_endpoint.MOST_BYTES", 600)
        texts(ask(server, tmp_path / "bytes", requests(8)))
        assert len(server.batches) > 5
        assert all(len(server.files[b.file]) <= 600 for b in server.batches[3:])


def test_each_state_is_one_line_with_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    states = ("validating", "in_progress", "in_progress", "in_progress", "finalizing", "completed")
    with batching(echo, lambda n: Plan(states)) as server:
        ask(server, tmp_path, requests(3))
    lines = [x.strip() for x in capsys.readouterr().err.splitlines()]
    assert lines == [
        f"batch batch_0: 3 requests submitted to {server.url}",
        *(f"batch batch_0: {s}, 0 of 3 answered" for s in ("validating", "in_progress", "finalizing")),
        "batch batch_0: completed, 3 of 3 answered",
    ]


@pytest.mark.parametrize(
    "first",
    [
        Line(status=429), Line(status=500), Line(status=503), Line(code="batch_expired"), Line(code="request_timeout"),
        Line(code="429"), Line(missing=True),
    ],
)  # fmt: skip
def test_lines_that_failed_for_a_reason_that_may_pass_go_into_the_next_batch(tmp_path: Path, first: Line) -> None:
    def script(body: dict[str, Any], before: int) -> Reply:
        return first if before == 0 and said(body) == "question 1" else echo(body, before)

    with batching(script) as server:
        assert texts(ask(server, tmp_path, requests(4)))[1] == "answer to question 1"
        assert [[said(b) for b in m.lines.values()] for m in server.batches][1:] == [["question 1"]]


def test_a_line_that_goes_on_failing_is_unanswered_after_so_many_batches(tmp_path: Path) -> None:
    def script(body: dict[str, Any], before: int) -> Reply:
        return Line(status=503, error="overloaded") if said(body) == "question 1" else echo(body, before)

    with batching(script) as server:
        answers = ask(server, tmp_path, requests(3), retries=2)
        assert isinstance(answers[1], Unanswered) and str(answers[1]) == "status 503: overloaded (3 tries)"
        assert texts([answers[0], answers[2]]) and len(server.batches) == 3


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (Line(status=400, error="this prompt is too long"), "status 400: this prompt is too long"),
        (Line(status=404, error="no such model"), "status 404: no such model"),
        (Line(code="invalid_request", error="no messages"), "invalid_request: no messages"),
        (Line("cut off", malformed=True), "malformed: its line in the output is malformed"),
    ],
)
def test_a_line_that_no_batch_would_answer_is_unanswered_with_the_servers_words(
    tmp_path: Path, line: Line, words: str
) -> None:
    def script(body: dict[str, Any], before: int) -> Reply:
        return line if said(body) == "question 1" else echo(body, before)

    with batching(script) as server:
        answers = ask(server, tmp_path, requests(3))
        assert isinstance(answers[1], Unanswered) and str(answers[1]) == words
        assert texts([answers[0], answers[2]]) and len(server.batches) == 1


def test_finish_reasons_are_told_apart_and_a_filter_is_an_answer(tmp_path: Path) -> None:
    kinds = {
        "cut": Reply("half", finish="length"), "no": Reply(None, refusal="no"),
        "filtered": Reply("", finish="content_filter"), "blocked": Reply(status=400, error="content_filter: not this"),
    }  # fmt: skip
    with batching(lambda body, _: kinds[said(body)]) as server:
        answers = ask(server, tmp_path, [request(t) for t in kinds])
    assert [a.finish for a in answers if isinstance(a, Answer)] == ["length", "refused", "filtered", "filtered"]
    assert all(isinstance(a, Answer) and a.batched for a in answers)


def test_of_a_batch_that_expired_the_answers_are_kept_and_the_rest_goes_again(tmp_path: Path) -> None:
    def script(body: dict[str, Any], before: int) -> Reply:
        late = before == 0 and int(said(body).split()[1]) >= 2
        return Line(code="batch_expired", error="window over") if late else echo(body, before)

    plans = [Plan(("in_progress", "expired")), Plan()]
    with batching(script, lambda n: plans[n]) as server:
        assert len(texts(ask(server, tmp_path, requests(5)))) == 5
        assert [len(b.lines) for b in server.batches] == [5, 3]


def test_a_batch_that_someone_cancelled_is_not_submitted_again_by_itself(tmp_path: Path) -> None:
    def script(body: dict[str, Any], before: int) -> Reply:
        late = before == 0 and said(body) == "question 1"
        return Line(code="batch_cancelled") if late else echo(body, before)

    plans = [Plan(("in_progress", "cancelling", "cancelled")), Plan()]
    with batching(script, lambda n: plans[n]) as server:
        answers = ask(server, tmp_path, requests(3))
        assert "was cancelled" in str(answers[1]) and "1 of 3 requests not answered" in str(answers[1])
        assert len(server.batches) == 1
        assert len(texts(ask(server, tmp_path, requests(3)))) == 3
        assert [len(b.lines) for b in server.batches] == [3, 1]


def test_a_batch_that_fails_validation_is_one_sentence_and_can_be_given_again(tmp_path: Path) -> None:
    plans = [Plan(("validating", "failed"), "model_not_found", "The model m is not available for batches."), Plan()]
    with batching(echo, lambda n: plans[n]) as server:
        error = only_error(ask(server, tmp_path, requests(3)))
        assert "did not take the batch batch_0: The model m is not available for batches; put that right" in str(error)
        assert left(tmp_path) == []
        assert len(texts(ask(server, tmp_path, requests(3)))) == 3


def test_files_that_a_finished_batch_names_late_are_waited_for(tmp_path: Path) -> None:
    with batching(echo, lambda n: Plan(late_files=3)) as server:
        assert len(texts(ask(server, tmp_path, requests(3)))) == 3
        assert len(server.batches) == 1 and server.calls.count("look") == 7


def test_a_server_that_is_down_is_said_and_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("zoo.teachers.batch_endpoint.LONGEST_WAIT_S", 0.1)
    monkeypatch.setattr("zoo.teachers.batch_endpoint.FIRST_PATIENCE_S", 1.0)
    with batching(echo) as server:
        server.faults = {"upload": [Reply(status=503, error="on fire")] * 100}
        error = only_error(ask(server, tmp_path, requests(3)))
        assert "does not answer when asked for the batch's file (status 503: on fire)" in str(error)
        assert f"{server.url} does not answer when asked for" in capsys.readouterr().err
        server.faults.clear()
        assert len(texts(ask(server, tmp_path, requests(3)))) == 3
        assert len(server.batches) == 1 and left(tmp_path) == []


def test_a_batch_too_large_for_the_servers_queue_is_submitted_in_parts_one_after_the_other(tmp_path: Path) -> None:
    full = Plan(("validating", "failed"), "token_limit_exceeded", "Enqueued token limit reached.")

    def plans(n: int) -> Plan:
        """The queue takes four requests at a time."""
        queued = [m for m in server.batches if m.state not in ("completed", "failed")]
        size = len(json.loads(json.dumps(sizes[n])))
        return full if size + sum(len(m.lines) for m in queued) > 4 else Plan()

    sizes: list[list[int]] = []
    with batching(echo) as server:
        server.plans = plans
        create = server.create

        def counted(http: Any, data: bytes, parts: list[str]) -> tuple[int, Any]:
            sizes.append([0] * len(server.files[json.loads(data)["input_file_id"]].splitlines()))
            return create(http, data, parts)

        server.create = counted  # type: ignore[method-assign]
        assert len(texts(ask(server, tmp_path, requests(10)))) == 10
        assert max(Counter(said(e.body) for e in server.log).values()) == 1
        assert [len(m.lines) for m in server.batches if m.state == "completed"] == [2, 2, 2, 2, 2]


def test_one_request_that_the_servers_queue_never_takes_is_the_servers_sentence(tmp_path: Path) -> None:
    full = Plan(("failed",), "token_limit_exceeded", "Enqueued token limit reached.")
    with batching(echo, lambda n: full) as server:
        assert "Enqueued token limit reached; put that right" in str(only_error(ask(server, tmp_path, requests(2))))
        assert [len(m.lines) for m in server.batches] == [2, 1, 1]


@pytest.mark.parametrize(
    ("call", "status", "words"),
    [
        ("upload", 404, r"has no batch endpoint \(status 404\); leave --batch away"),
        ("create", 405, r"has no batch endpoint \(status 405\); leave --batch away"),
        ("upload", 401, r"refused the key"),
        ("create", 400, r"refused the batch \(status 400: as scripted\)"),
    ],
)
def test_what_no_batch_can_pass_stops_everything_and_leaves_nothing_behind(
    tmp_path: Path, call: str, status: int, words: str
) -> None:
    with batching(echo) as server:
        server.faults = {call: [Reply(status=status)]}
        error = only_error(ask(server, tmp_path, requests(3)))
        assert "sk-1" not in str(error)
        with pytest.raises(ZooError, match=words):
            raise error
        assert left(tmp_path) == [] and server.log == []


def test_trouble_with_the_server_is_waited_out(tmp_path: Path) -> None:
    with batching(echo) as server:
        server.faults = {
            "upload": [Reply(status=503), Reply(status=429, headers={"retry-after": "0.1"})],
            "look": [Reply(status=500), Reply(drop=True)], "fetch": [Reply(drop=True), Reply(status=502)],
        }  # fmt: skip
        assert len(texts(ask(server, tmp_path, requests(3)))) == 3
        assert len(server.batches) == 1


@pytest.mark.parametrize("fault", [Reply(drop=True), Reply(status=500)])
def test_a_creation_without_a_reply_is_looked_for_before_another(tmp_path: Path, fault: Reply) -> None:
    with batching(echo) as server:
        server.faults = {"create": [fault]}
        assert len(texts(ask(server, tmp_path, requests(3)))) == 3
        assert len(server.batches) == 1 and server.calls.count("list") == 1


def test_a_schema_that_the_model_lacks_is_given_up_once_and_those_lines_go_again(tmp_path: Path) -> None:
    def script(body: dict[str, Any], before: int) -> Reply:
        if body.get("response_format", {}).get("type") == "json_schema":
            return Reply(status=400, error="response_format of type json_schema is not supported with this model")
        return echo(body, before)

    wanted = [request(f"question {n}", schema=SCHEMA) for n in range(4)]
    with batching(script) as server:
        assert len(texts(ask(server, tmp_path, [*wanted, request("plain")]))) == 5
        assert [len(m.lines) for m in server.batches] == [5, 4]
        more = [request(f"more {n}", schema=SCHEMA) for n in range(2)]

        async def later() -> None:
            teacher = cached(server, tmp_path / "again")
            for round_ in (wanted, more):
                await asyncio.gather(*(teacher.ask(r) for r in round_))
            await teacher.close()

        asyncio.run(later())
        assert [len(m.lines) for m in server.batches[2:]] == [4, 4, 2]


def test_a_batch_left_behind_is_taken_up_and_keeps_answers_that_nobody_waits_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = Plan(("validating", *["in_progress"] * 8, "completed"))
    with batching(echo, lambda n: slow) as server:
        interrupted(server, tmp_path, requests(6), calls=2)
        assert f"batch batch_0 goes on at {server.url}; the same command picks it up" in capsys.readouterr().err
        assert len(texts(ask(server, tmp_path, [*requests(2), request("new")]))) == 3
        assert "6 requests, submitted before, taken up again" in capsys.readouterr().err
        assert len(texts(ask(server, tmp_path, requests(6)))) == 6
        assert [len(m.lines) for m in server.batches] == [6, 1]
        assert left(tmp_path) == []


@pytest.mark.parametrize("call", ["upload", "create", "list"])
def test_stopped_while_it_submits_nothing_is_submitted_twice(tmp_path: Path, call: str) -> None:
    """Each call is done at the server, and its reply never seen."""
    with batching(echo) as server:
        server.faults = {"create": [Reply(status=503)] * (call == "list") + [Reply(delay=1)], call: [Reply(delay=1)]}
        if call == "list":
            server.faults["create"] = [Reply(drop=True)]
        interrupted(server, tmp_path, requests(4), calls=1, call=call)
        assert len(texts(ask(server, tmp_path, requests(4)))) == 4
        assert max(Counter(said(e.body) for e in server.log).values()) == 1
        assert len(server.batches) == 1 and left(tmp_path) == []


def test_a_batch_is_found_again_by_its_file_where_the_server_drops_what_was_attached(tmp_path: Path) -> None:
    with batching(echo) as server:
        server.faults = {"create": [Reply(delay=1)]}
        interrupted(server, tmp_path, requests(4), calls=1, call="create")
        server.batches[0].metadata = {}
        assert len(texts(ask(server, tmp_path, requests(4)))) == 4
        assert len(server.batches) == 1


def test_a_batch_that_the_server_no_longer_knows_is_not_silently_paid_for_again(tmp_path: Path) -> None:
    slow = Plan(("validating", *["in_progress"] * 8, "completed"))
    with batching(echo, lambda n: slow) as server:
        interrupted(server, tmp_path, requests(2), calls=1)
        server.batches.clear()
        error = only_error(ask(server, tmp_path, requests(2)))
        assert "does not know the batch batch_0" in str(error) and server.batches == []


def test_what_another_living_process_has_in_a_batch_is_not_submitted_again(tmp_path: Path) -> None:
    slow = Plan(("validating", *["in_progress"] * 6, "completed"))

    async def run(dies: bool) -> None:
        root = tmp_path / str(dies)
        first, second = cached(server, root), cached(server, root)
        before = len(server.batches)
        asked = [asyncio.ensure_future(first.ask(r)) for r in requests(4)]
        while len(server.batches) == before:
            await asyncio.sleep(0.01)
        more = [asyncio.ensure_future(second.ask(r)) for r in [*requests(4), request("of the second")]]
        while len(server.batches) < before + 2:
            await asyncio.sleep(0.01)
        if dies:
            for task in asked:
                task.cancel()
            await first.close()
        assert len(texts(list(await asyncio.gather(*more)))) == 5
        if not dies:
            await asyncio.gather(*asked)
            await first.close()
        await second.close()
        assert [len(m.lines) for m in server.batches[before:]] == [4, 1]

    with batching(echo, lambda n: slow) as server:
        asyncio.run(run(dies=False))
        asyncio.run(run(dies=True))


def test_a_journal_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches" / "journal.sqlite").write_bytes(b"no database" * 100)
    with batching(echo) as server, pytest.raises(ZooError, match="journal of batches"):
        ask(server, tmp_path, requests(1))
