"""Annotating within budgets of tokens and money."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.teacher import Entry, Reply, serving
from tests.steps.annotate_job import annotate, job, make
from tests.steps.test_annotate import FAST, number, right, rows, solving
from tests.test_cli import zoo
from zoo.artifact import Artifact
from zoo.errors import RequestError
from zoo.steps.annotate import STEP

INPUT, OUTPUT = 2.0, 10.0  # USD per million tokens
FILES = ("examples.jsonl", "rejected.jsonl")


def priced(root: Path, **price: float) -> None:
    (root / "workspace").mkdir(parents=True, exist_ok=True)
    (root / "workspace" / "prices.yaml").write_text(
        json.dumps({"models": {"scripted": price or {"input": INPUT, "output": OUTPUT}}})
    )


def counted(body: dict[str, Any], slow: float = 0.0) -> Reply:
    content = right(body).content or ""
    size = sum(len(m["content"]) for m in body["messages"])
    return Reply(content, usage=(size // 4, len(content) // 4), delay=slow * (number(body) % 5))


def tokens(log: list[Entry]) -> int:
    return sum(sum(e.reply.usage) for e in log)


def usd(log: list[Entry]) -> float:
    return sum(INPUT * e.reply.usage[0] + OUTPUT * e.reply.usage[1] for e in log) / 10**6


def contents(artifact: Artifact) -> list[bytes]:
    return [artifact.path(name).read_bytes() for name in FILES]


@pytest.mark.parametrize(
    ("budget", "named"),
    [
        ({"max_tokens": 12_000}, "12000 tokens"), ({"max_cost": 0.04}, "0.04 USD"), ({"max_calls": 11}, "11 calls"),
        ({"max_calls": 60, "max_tokens": 11_000, "max_cost": 0.5}, "11000 tokens"),
    ],
)  # fmt: skip
def test_a_budget_is_never_exceeded_and_keeps_the_same_rows_in_whatever_order_answers_come(
    tmp_path: Path, budget: dict[str, Any], named: str
) -> None:
    kept = []
    for slow, concurrency in ((0.0, 1), (0.02, 16)):
        root = tmp_path / str(concurrency)
        ingest = make(root, 40)
        priced(root)
        settings = FAST.model_copy(update={**budget, "concurrency": concurrency})
        with serving(lambda b, _, s=slow: counted(b, s)) as teacher:  # type: ignore[misc]
            artifact = annotate(root, ingest, teacher.url, settings)
            result, left, asked = artifact.result, contents(artifact), len(teacher.log)
            (artifact.folder / "record.json").unlink()
            again = annotate(root, ingest, teacher.url, settings)
            assert len(teacher.log) == asked and again.folder == artifact.folder and contents(again) == left
        assert named in result["stopped"] and 2 < result["kept"] < 40
        assert tokens(teacher.log) == sum(result["tokens"].values()) <= budget.get("max_tokens", 10**9)
        assert usd(teacher.log) == pytest.approx(result["cost"]) and result["cost"] <= budget.get("max_cost", 10**9)
        assert len(teacher.log) == result["calls"] <= budget.get("max_calls", 10**9)
        assert (result["paid"], again.result["paid"]) == (result["cost"], 0.0)
        assert [again.result[n] for n in ("cost", "stopped", "tokens")] == [
            result[n] for n in ("cost", "stopped", "tokens")
        ]
        kept.append(left)
    assert kept[0] == kept[1]


def test_a_server_that_counts_no_tokens_does_not_make_a_budget_endless(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest = make(tmp_path, 40)
    with serving(lambda b, _: Reply(right(b).content, usage=(0, 0))) as teacher:
        result = annotate(tmp_path, ingest, teacher.url, FAST.model_copy(update={"max_tokens": 60_000})).result
    assert 0 < result["kept"] < 40 and "60000 tokens" in result["stopped"]
    assert 30_000 < sum(result["tokens"].values()) <= 60_000
    assert capsys.readouterr().err.count("counts no tokens") == 1


def test_an_item_without_an_answer_has_another_turn_when_the_server_is_well_again(tmp_path: Path) -> None:
    """Two items meet nothing but errors while the others are asked about; what is left is as if nothing had been."""
    left = []
    for troubled in (False, True):
        root = tmp_path / str(troubled)
        ingest = make(root, 20)

        def script(body: dict[str, Any], before: int, troubled: bool = troubled) -> Reply:
            down = troubled and number(body) in (2, 3) and not solving(body) and before < 2
            return Reply(status=503) if down else right(body)

        settings = FAST.model_copy(update={"retries": 1, "max_calls": 31, "concurrency": 4})
        with serving(script) as teacher:
            artifact = annotate(root, ingest, teacher.url, settings)
        assert artifact.result["calls"] == 31
        left.append(contents(artifact))
        first = [number(e.body) for e in teacher.log if not solving(e.body)]
        assert sum(n in (2, 3) for n in first) == (6 if troubled else 2)
    assert left[0] == left[1] and b"unanswered" not in left[1][1]


def test_what_has_no_answer_on_its_second_turn_either_is_rejected(tmp_path: Path) -> None:
    ingest = make(tmp_path, 12)
    with serving(lambda b, _: Reply(status=503) if number(b) == 5 else right(b)) as teacher:
        _, rejected = rows(annotate(tmp_path, ingest, teacher.url, FAST.model_copy(update={"retries": 0})))
    assert [r.reason for r in rejected] == ["unanswered"]
    assert sum(number(e.body) == 5 for e in teacher.log) == 2


def test_a_price_decides_rows_only_where_money_is_limited(tmp_path: Path) -> None:
    make(tmp_path, 2)
    url, limited = "http://127.0.0.1:9/v1", FAST.model_copy(update={"max_cost": 1.0})
    with pytest.raises(RequestError, match=r"What scripted costs is not known.*prices\.yaml.*input: 0\.40"):
        STEP.check(job(tmp_path, url, limited))
    known = []
    for output in (OUTPUT, 2 * OUTPUT):
        priced(tmp_path, input=INPUT, output=output)
        STEP.check(job(tmp_path, url, limited))
        known.append([STEP.identity(job(tmp_path, url, s)) for s in (FAST, limited)])
    assert known[0][0] == known[1][0] and known[0][1] != known[1][1]


def test_cost_is_not_known_without_a_price_and_nothing_without_a_bill(tmp_path: Path) -> None:
    ingest = make(tmp_path, 2)
    with serving(right) as teacher:
        assert annotate(tmp_path, ingest, teacher.url, FAST).result["cost"] is None
        priced(tmp_path)
        settings = FAST.model_copy(update={"attempts": 2})
        assert annotate(tmp_path, ingest, teacher.url, settings).result["cost"] > 0


def test_the_options_are_settings_and_come_after_set(tmp_path: Path) -> None:
    prices = tmp_path / "ws" / "prices.yaml"
    prices.parent.mkdir()
    common = ["annotate", "medical", "--plan", "--json", "--workspace", str(tmp_path / "ws")]
    asking = ["--teacher-url", "http://127.0.0.1:9/v1", "--teacher-model", "large"]
    refused = zoo(*common, *asking, "--max-cost", "1")
    assert refused.returncode == 2 and str(prices) in json.loads(refused.stdout)["error"]
    negative = zoo(*common, "--max-tokens", "-1")
    assert negative.returncode == 2 and "--max-tokens is -1; it should be a number of at least 0." in negative.stderr
    prices.write_text("models: {large: {input: 1, output: 2}}")
    done = zoo(*common, *asking, "--max-cost", "1", "--set", "annotate.max_calls=4", "--max-calls", "6")
    planned = json.loads(done.stdout)["plan"][1]
    assert planned["calls"] == planned["most_calls"] == 6 and 0 < planned["cost"] < 1
    prices.write_text("models: {large: {inputs: 1, output: 2}}")
    assert "did you mean 'input'" in zoo(*common, *asking).stderr
