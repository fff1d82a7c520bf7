"""`--plan`: what would run, in sentences, fetching and writing nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.hub import serving
from zoo.planned import roughly, sentences

COMMAND = [sys.executable, "-c", "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"]


def planned(workspace: Path, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "train", "medical", "--plan", "--workspace", str(workspace), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    assert not workspace.exists()
    return done


def test_a_plan_without_weights_says_what_they_take_and_asks_nobody_for_them(tmp_path):
    with serving() as hub:
        where = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
        entries = json.loads(planned(tmp_path / "ws", "--json", **where).stdout)["plan"]
        assert hub.log == []
    assert [(e["fingerprint"], e["cached"]) for e in entries] == [(None, False)] * 6
    assert [w["role"] for w in entries[0]["weights"]] == ["base", "embedder"]
    assert entries[0]["weights"][0]["download_mb"] == 93
    assert all("weights" not in e for e in entries[1:])


def test_a_plan_offline_says_that_the_run_would_end_for_want_of_weights(tmp_path):
    said = planned(tmp_path / "ws", "--offline").stderr
    assert "--offline forbids to fetch them, so the run would end here" in said


@pytest.mark.parametrize("args", [(), ("--teacher-url", "http://127.0.0.1:9/v1", "--teacher-model", "large")])
def test_a_plan_is_sentences_for_people(tmp_path, args):
    lines = planned(tmp_path / "ws", *args).stderr.splitlines()
    text = "\n".join(lines)
    assert not any(ugly in text for ugly in ("None", "{", "}", "[", "_mb"))
    assert [line.partition(":")[0] for line in lines] == [
        "weights", "weights", "ingest", "annotate", "pretrain", "finetune", "evaluate", "release", "in all",
    ]  # fmt: skip
    assert "27 documents" in text and "293 seeds" in text and "at most 16 calls" in text
    assert "about 93 MB to download" in text
    passages = re.search(r"about (\d+) passages", text)
    assert passages and 300 < int(passages.group(1)) < 450  # ingest leaves 377
    if args:
        assert "calls of large" in text and "the time is not measured" in text and "prices.yaml" in text


def test_the_tokens_before_annotate_are_those_of_the_seeds_and_calls_not_the_cap(tmp_path):
    def finetune(*args: str) -> dict[str, object]:
        quick = ("--set", "annotate.passages=0")  # else files are read to say what would be asked about them
        plan = json.loads(planned(tmp_path / "ws", "--json", *quick, *args).stdout)["plan"]
        return {e["step"]: e for e in plan}["finetune"]

    known = finetune()
    assert 120_000 < known["tokens"] < 250_000 and known["seconds"] > 60
    assert "293 seeds" in known["note"]
    assert finetune("--set", "annotate.max_calls=0")["tokens"] < known["tokens"]
    assert finetune("--set", "finetune.max_tokens=5000")["tokens"] == 5000
    unknown = finetune("--set", "annotate.max_calls=null")
    assert (unknown["tokens"], unknown["seconds"]) == (800_000, None) and "cap" in unknown["note"]


def test_a_step_that_is_done_and_one_that_knows_nothing_are_said_in_a_line():
    done = {"step": "ingest", "fingerprint": "f", "cached": True}
    unknown = {"step": "finetune", "fingerprint": None, "cached": False, "rows": None, "tokens": None, "seconds": None}
    assert list(sentences([done])) == ["ingest: done, would be skipped"]
    assert list(sentences([done, unknown]))[1:] == ["finetune: would run", "in all: the time of finetune"]


def test_calls_are_a_usual_number_and_a_ceiling_where_they_differ():
    def said(calls: int, most: int | None) -> str:
        tokens = {"in": 1000 * calls, "out": 100 * calls}
        counts = {"seeds": 2, "passages": 10, "sources": [], "questions": 0, "teacher": "large", "cost": 0.125}
        entry = {"step": "annotate", "cached": False, **counts, "calls": calls, "most_calls": most, "tokens": tokens}
        return next(sentences([entry]))

    assert "about 20 calls of large (at most 60), about 20,000 tokens in and 2,000 out, about 0.12 USD" in said(20, 60)
    assert "at most 16 calls of large, about 16,000 tokens in and 1,600 out" in said(16, 16)
    assert "about 20 calls of large, about 20,000 tokens in and 2,000 out" in said(20, None)


def test_times_are_rounded_to_what_a_reader_wants():
    assert [roughly(s) for s in (5, 119, 120, 1000, 7200)] == ["5 s", "119 s", "2 min", "17 min", "2.0 h"]
