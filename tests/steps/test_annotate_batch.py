"""`annotate` by a batch endpoint, in processes that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.batches import BatchServer, Plan, batching
from tests.fakes.runs import finished, tiny_models
from tests.fakes.runs import start as train
from tests.fakes.teacher import Reply, serving
from tests.steps.annotate_job import annotate, job, make
from tests.steps.test_annotate import FAST, ROOT, files, number, right, rows, scripted, solving
from zoo.errors import RequestError, ZooError
from zoo.steps.annotate import STEP

BATCH = FAST.model_copy(update={"batch": True})
SLOW = Plan(("validating", *["in_progress"] * 12, "completed"))
LONG = Reply(delay=30)


def start(root: Path, url: str, *settings: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.steps.annotate_job", str(root), url, *settings]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_when(process: subprocess.Popen[bytes], reached: Callable[[], bool]) -> None:
    while not reached():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def finish(root: Path, url: str, *settings: str) -> None:
    process = start(root, url, *settings)
    assert process.communicate(timeout=300) is not None and process.returncode == 0


def most_often(server: BatchServer) -> int:
    """How often the request was worked on that was most often."""
    return max(Counter(json.dumps(e.body["messages"]) for e in server.log).values())


def test_a_plan_by_batches_has_their_price_and_no_time(tmp_path: Path) -> None:
    ingest = make(tmp_path, 12)
    (tmp_path / "workspace" / "prices.yaml").write_text("models: {scripted: {input: 1, output: 2, batch: 0.25}}")
    with batching(right) as server:
        plain, batch = (STEP.plan(job(tmp_path, server.url, s), {"ingest": ingest}) for s in (FAST, BATCH))
        result = annotate(tmp_path, ingest, server.url, BATCH).result
        after = STEP.plan(job(tmp_path, server.url, FAST), {"ingest": ingest})
    assert batch["cost"] == pytest.approx(plain["cost"] / 4, abs=1e-6) and batch["calls"] == plain["calls"]
    assert plain["seconds"] > 0 and batch["seconds"] is None and "a day" in batch["note"]
    assert result["estimate"]["off"]["seconds"] is None
    assert "not measured" in after["note"], "how long a batch took says nothing of a run without"


def test_a_batch_leaves_the_files_of_an_ordinary_run_whatever_goes_wrong(tmp_path: Path) -> None:
    with batching(scripted) as server:
        made = annotate(tmp_path / "batch", make(tmp_path / "batch", 24), server.url, BATCH)
        assert len(server.batches) > 2 and server.most_at_once == 0
    with serving(scripted) as teacher:
        annotate(tmp_path / "plain", make(tmp_path / "plain", 24), teacher.url, FAST)
    assert files(tmp_path / "batch") == files(tmp_path / "plain")
    assert len(rows(made)[0]) == 10 and made.result["rejected"]["unanswered"] == 2


def upload_refused(server: BatchServer) -> Callable[[], bool]:
    server.faults["upload"] = [Reply(status=503)] * 30
    return lambda: "upload" in server.calls


def uploading(server: BatchServer) -> Callable[[], bool]:
    server.faults["upload"] = [LONG]
    return lambda: "upload" in server.calls


def creating(server: BatchServer) -> Callable[[], bool]:
    server.faults["create"] = [LONG]
    return lambda: "create" in server.calls


def polling(server: BatchServer) -> Callable[[], bool]:
    return lambda: server.calls.count("look") > 3


def fetching(server: BatchServer) -> Callable[[], bool]:
    server.faults["fetch"] = [LONG]
    return lambda: "fetch" in server.calls


def creating_the_second(server: BatchServer) -> Callable[[], bool]:
    server.faults["create"] = [Reply(), LONG]
    return lambda: server.calls.count("create") == 2


def fetching_the_second(server: BatchServer) -> Callable[[], bool]:
    server.faults["fetch"] = [Reply(), LONG]
    return lambda: server.calls.count("fetch") == 2


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run leaves that nobody kills."""
    root = tmp_path_factory.mktemp("whole")
    with serving(right) as teacher:
        annotate(root, make(root, 12), teacher.url, FAST)
    return files(root)


@pytest.mark.parametrize(
    "phase",
    [upload_refused, uploading, creating, polling, fetching, creating_the_second, fetching_the_second],
    ids=lambda f: f.__name__,
)
def test_killed_at_any_moment_nothing_is_submitted_twice(
    tmp_path: Path, whole: dict[str, bytes], phase: Callable[[BatchServer], Callable[[], bool]]
) -> None:
    make(tmp_path, 12)
    with batching(right, lambda n: SLOW if phase is polling else Plan()) as server:
        kill_when(start(tmp_path, server.url, "batch=true"), phase(server))
        server.faults.clear()
        finish(tmp_path, server.url, "batch=true")
        assert most_often(server) == 1 and len(server.log) == 24 and len(server.batches) == 2
        assert server.most_at_once == 0, "nothing is asked for at the full price"
    assert files(tmp_path) == whole


def test_killed_at_a_moment_that_falls_anywhere(tmp_path: Path, whole: dict[str, bytes]) -> None:
    make(tmp_path, 12)
    with batching(right, lambda n: Plan(("validating", "in_progress", "in_progress", "completed"))) as server:
        for n in range(4):
            before = len(server.calls)
            kill_when(start(tmp_path, server.url, "batch=true"), lambda b=before, n=n: len(server.calls) > b + n % 3)  # type: ignore[misc]
        finish(tmp_path, server.url, "batch=true")
        assert most_often(server) == 1 and len(server.log) == 24
    assert files(tmp_path) == whole


def test_begun_in_batches_and_finished_without(tmp_path: Path, whole: dict[str, bytes]) -> None:
    ingest = make(tmp_path, 12)
    with batching(right) as server:
        server.faults["create"] = [Reply(), Reply(status=400)]
        with pytest.raises(ZooError, match="refused the batch"):
            annotate(tmp_path, ingest, server.url, BATCH)
        assert len(server.log) == 12
        made = annotate(tmp_path, ingest, server.url, FAST)
        assert most_often(server) == 1 and len(server.log) == 24
        assert server.most_at_once > 0 and made.result["cached"] == 12
    assert files(tmp_path) == whole


def test_begun_without_batches_and_finished_in_one(tmp_path: Path, whole: dict[str, bytes]) -> None:
    make(tmp_path, 12)

    def slowly(body: dict[str, Any], before: int) -> Reply:
        return Reply(right(body).content, delay=0.2)

    with batching(slowly) as server:
        kill_when(start(tmp_path, server.url), lambda: sum(e.done for e in server.log) >= 9)
        time.sleep(0.4)  # requests in flight are still being answered, to nobody
        before = len(server.log)
        assert 9 <= before < 24
        finish(tmp_path, server.url, "batch=true")
        times = Counter(json.dumps(e.body["messages"]) for e in server.log)
        assert len(times) == 24 and sum(n - 1 for n in times.values()) <= 4
        assert server.most_at_once <= 4 and 0 < len(server.batches) <= 2
    assert files(tmp_path) == whole


def test_a_run_without_batches_says_what_is_under_way_in_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest = make(tmp_path, 4)
    with batching(right) as server:
        server.faults["look"] = [LONG]
        kill_when(start(tmp_path, server.url, "batch=true"), lambda: "look" in server.calls)
        server.faults.clear()
        annotate(tmp_path, ingest, server.url, FAST)
    assert "4 requests are under way in batches: --batch waits for their answers" in capsys.readouterr().err


def test_many_lines_of_a_batch_that_fail_do_not_look_like_a_teacher_that_is_gone(tmp_path: Path) -> None:
    def script(body: dict[str, Any], before: int) -> Reply:
        return Reply(status=400, error="too long") if number(body) < 12 else right(body)

    with batching(script) as server:
        made = annotate(tmp_path, make(tmp_path, 16), server.url, BATCH)
    assert made.result["kept"] == 4 and made.result["rejected"] == {"unanswered": 12}
    with batching(lambda body, before: Reply(status=404, error="no such model")) as server:
        with pytest.raises(ZooError, match="does not answer: status 404: no such model"):
            annotate(tmp_path / "none", make(tmp_path / "none", 16), server.url, BATCH)


def test_a_budget_of_calls_is_kept_to_in_batches_too(tmp_path: Path) -> None:
    budget = {"max_calls": 15}
    with batching(right) as server:
        annotate(tmp_path / "batch", make(tmp_path / "batch", 12), server.url, BATCH.model_copy(update=budget))
        assert len(server.log) <= 15
    with serving(right) as teacher:
        annotate(tmp_path / "plain", make(tmp_path / "plain", 12), teacher.url, FAST.model_copy(update=budget))
    assert files(tmp_path / "batch") == files(tmp_path / "plain")


def test_all_items_of_a_round_are_in_its_batch_however_low_the_concurrency(tmp_path: Path) -> None:
    settings = BATCH.model_copy(update={"concurrency": 1})
    with batching(right) as server:
        annotate(tmp_path, make(tmp_path, 40), server.url, settings)
        assert [len(m.lines) for m in server.batches] == [40, 40]
        assert {solving(b) for b in server.batches[0].lines.values()} == {False}
        assert {number(b) for b in server.batches[1].lines.values()} == set(range(40))


def test_batches_need_an_endpoint(tmp_path: Path) -> None:
    make(tmp_path, 1)
    run = job(tmp_path, "local", BATCH)
    with pytest.raises(RequestError, match="--batch asks a provider's batch endpoint"):
        STEP.check(run)


@pytest.mark.slow
def test_ctrl_c_leaves_the_batch_running_and_the_same_command_picks_it_up(tmp_path: Path) -> None:
    models = tiny_models(tmp_path)
    plan = Plan(("validating", *["in_progress"] * 40, "completed"))
    with batching(lambda body, before: Reply("no JSON"), lambda n: plan if n == 0 else Plan()) as server:
        command = (
            models, tmp_path / "ws", "--until", "annotate", "--batch", "--teacher-url", server.url, "--teacher-model", "m",
        )  # fmt: skip
        process = train(*command)
        while server.calls.count("look") < 2:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert process.returncode == 130 and "interrupted" in json.loads(out)["error"]
        assert f"batch batch_0 goes on at {server.url}; the same command picks it up" in err
        server.batches[0].looks = 41
        result = finished(train(*command))
        assert most_often(server) == 1 and result["calls"] <= 8
