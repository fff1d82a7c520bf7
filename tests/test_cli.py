"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest


def zoo(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    code = "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"
    return subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, cwd=cwd, check=False)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['zoo', '--help']\n"
        "from zoo.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'transformers', 'datasets', 'faiss', 'numpy', 'openai') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "train" in done.stdout


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["train", "medcal"], "did you mean 'medical'?"),
        (["train", "medical", "--recipe", "labtop"], "did you mean 'laptop'?"),
        (["train", "medical", "--corpsu", "x"], "--corpus"),
        (["train", "medical", "--set", "finetune.learning_rat=1"], "did you mean 'learning_rate'?"),
        (["train", "medical", "--set", "finetun.rank=1"], "did you mean 'finetune'?"),
        (["train", "medical", "--set", "finetune.rank"], "key=value"),
        (["train", "medical", "--until", "evalute"], "did you mean 'evaluate'?"),
        (["train", "medical", "--suite", "pubmedq"], "did you mean 'pubmedqa'?"),
        (["train", "medical", "--source", "mts_dialg=x.jsonl"], "did you mean 'mts_dialog'?"),
        (["train", "medical", "--source", "mts_dialog=missing.jsonl"], "missing.jsonl"),
        (["train", "medical", "--corpus", "no-such-folder"], "no-such-folder"),
        (["train", "medical", "--set", "finetune.rank=zero"], "finetune.rank"),
        (["trian", "medical"], "train"),
    ],
)
def test_a_wrong_request_is_refused_before_any_work_with_the_nearest_name(args, expected, tmp_path):
    done = zoo(*args, "--workspace", str(tmp_path / "ws")) if args[0] == "train" else zoo(*args)
    assert done.returncode == 2, done.stderr
    assert expected in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ws").exists()


def test_a_mistyped_key_in_a_recipe_file_is_answered_with_the_nearest_name(tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("base: x\nsteps: [ingest]\nfinetune:\n  learning_rte: 1\n")
    done = zoo("train", "medical", "--recipe", str(recipe))
    assert done.returncode == 2
    assert "did you mean 'learning_rate'?" in done.stderr


def test_list_as_json_is_one_object(tmp_path):
    done = zoo("list", "--json", "--workspace", str(tmp_path))
    listed = json.loads(done.stdout)
    assert [d["domain"] for d in listed["domains"]] == ["healthcare"]
    assert listed["domains"][0]["aliases"] == ["medical"]
    assert listed["broken"] == []


def test_show_without_a_release_says_how_to_make_one(tmp_path):
    done = zoo("show", "medical", "--workspace", str(tmp_path), "--json")
    assert done.returncode == 2
    assert "zoo train medical" in done.stderr
    assert "zoo train medical" in json.loads(done.stdout)["error"]


@pytest.mark.slow
def test_help_answers_in_half_a_second():
    zoo("--help")
    began = time.monotonic()
    assert zoo("--help").returncode == 0
    assert time.monotonic() - began < 0.5
