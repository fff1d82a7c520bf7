"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import compileall
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.models import tiny_embedder, tiny_weights
from tests.fakes.processes import heed_interrupts
from zoo.cli import app
from zoo.library import folder


def zoo(*args: str, **more: Any) -> subprocess.CompletedProcess[str]:
    code = "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"
    return subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False, **more)


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
        (["train", "medical", "--batch", "--teacher-model", "local"], "--batch asks a provider's batch endpoint"),
        (["train", "medical", "--set", "finetune.learning_rat=1"], "did you mean 'learning_rate'?"),
        (["train", "medical", "--set", "finetun.rank=1"], "did you mean 'finetune'?"),
        (["train", "medical", "--set", "finetune.rank"], "key=value"),
        (["train", "medical", "--until", "evalute"], "did you mean 'evaluate'?"),
        (["train", "medical", "--suite", "pubmedq"], "did you mean 'pubmedqa'?"),
        (["train", "medical", "--source", "mts_dialg=x.jsonl"], "did you mean 'mts_dialog'?"),
        (["train", "medical", "--source", "mts_dialog=missing.jsonl"], "missing.jsonl"),
        (["train", "medical", "--corpus", "no-such-folder"], "no-such-folder"),
        (["train", "medical", "--corpus", ""], "is empty; name a file or folder"),
        (["train", "medical", "--set", "finetune.rank=zero"], "finetune.rank is zero; it should be a whole number"),
        (["train", "medical", "--set", "finetune.epochs=["], "'[' cannot be read as a value"),
        (["train", "medical", "--set", "finetune.epochs=2024-13-45"], "cannot be read as a value"),
        (["train", "medical", "--set", "finetune.epochs=.nan"], "a finite number"),
        (["train", "medical", "--set", "finetune.epochs=.inf"], "a finite number"),
        (
            ["train", "medical", "--set", "evaluate.limit={general: 0}"],
            "evaluate.limit.general is 0; it should be at least 1",
        ),
        (["train", "medical", "--set", "evaluate.limit={general: -4}"], "evaluate.limit.general is -4"),
        (["train", "medical", "--set", "ingest.max_documents=-3"], "ingest.max_documents is -3"),
        (["train", "medical", "--set", "ingest.exact_index_below=-1"], "ingest.exact_index_below is -1"),
        (["train", "medical", "--set", "steps=[ingest, ingest]"], "steps names ingest twice"),
        (["train", "medical", "--set", "steps=[]"], "steps names no step"),
        (
            ["train", "medical", "--set", "evaluate.suites=[general]"],
            "the suite healthcare_exam_open that decides is not among",
        ),
        (["train", "medical", "--set", "evaluate.suites=[healthcare_exam_open]"], "the suite general that shows"),
        (["train", "medical", "--set", "evaluate.limit={general: 299}"], "evaluate.limit.general is 299"),
        (["train", "medical", "--set", "steps=[annotate]"], "has annotate without ingest; add ingest to its steps"),
        (["train", "medical", "--set", "steps=[ingest, finetune]"], "has finetune without annotate"),
        (["train", "medical", "--set", "steps=[pretrain]"], "has pretrain without ingest"),
        (["train", "medical", "--set", "steps=[ingest, annotate, evaluate]"], "has evaluate without finetune"),
        (["train", "medical", "--set", "steps=[ingest, annotate, finetune, release]"], "has release without evaluate"),
        (["trian", "medical"], "train"),
    ],
)
def test_a_wrong_request_is_refused_before_any_work_with_the_nearest_name(args, expected, tmp_path):
    done = zoo(*args, "--workspace", str(tmp_path / "ws")) if args[0] == "train" else zoo(*args)
    assert done.returncode == 2, done.stderr
    assert expected in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bad.xlsx", b"no archive"), ("cut.xlsx", b"PK\x03\x04 and then nothing"), ("bad.parquet", b"no columns"),
        ("bad.json", b"[1,"), ("number.json", b"5"), ("deep.json", b"[" * 100_000), ("bad.jsonl", b"{}\n[]\n"),
        ("bytes.jsonl", b"\xff\xfe{}"), ("nul.csv", b'a,b\n"\x00'), ("wide.csv", b"a,b\n1,2,3\n"), ("empty.tsv", b""),
    ],
)  # fmt: skip
def test_a_file_of_items_that_cannot_be_read_is_named_in_one_sentence(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    done = zoo("train", "medical", "--suite-data", f"mts_dialog={path}", "--workspace", str(tmp_path / "ws"))
    assert done.returncode == 2, done.stderr
    assert name in done.stderr and len(done.stderr.splitlines()) == 1
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


def test_broken_plugins_are_listed_with_their_error_and_stop_nothing(tmp_path, monkeypatch):
    text = (folder("domains") / "healthcare" / "domain.yaml").read_text(encoding="utf-8")
    text = text.replace("name: healthcare", "name: finance", 1).replace("[medical]", "[money]", 1)
    (tmp_path / "finance").mkdir()
    (tmp_path / "finance" / "domain.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "finance" / "verifiers.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("ZOO_DOMAINS", f"{tmp_path / 'finance'}:{tmp_path / 'empty'}")
    listed = json.loads(zoo("list", "--json", "--workspace", str(tmp_path / "w")).stdout)
    assert [d["domain"] for d in listed["domains"]] == ["healthcare"]
    errors = {b["name"]: b["error"] for b in listed["broken"]}
    assert "nothing_of_that_name" in errors["finance"] and "No domain.yaml" in errors["empty"]


@pytest.mark.parametrize(
    ("file", "content", "error"),
    [
        ("seeds.jsonl", b"{}\n{", "seeds.jsonl line 1 of finance: id is missing"),
        ("seeds.jsonl", b"\n{", "seeds.jsonl line 2 of finance is not valid JSON"),
        ("seeds.jsonl", b"\xff", "seeds.jsonl cannot be read"),
        ("parsers.py", b"PARSERS = 5", "should be a list of zoo.api.Parser"),
        ("parsers.py", b"PARSERS = [5]", "should be a list of zoo.api.Parser"),
        ("parsers.py", b"", "has no PARSERS"),
        ("verifiers.py", b"VERIFIERS = 5", "should map names to functions"),
        ("verifiers.py", b"", "has no VERIFIERS"),
        ("domain.yaml", b"{{ pubid", "sources.1.fields.0.id is not valid Jinja"),
        ("domain.yaml", b"{{ pubid | no_such_filter }}", "No filter named 'no_such_filter'"),
    ],
)
def test_a_plugin_with_broken_content_is_listed_with_its_error(file, content, error, tmp_path):
    text = (folder("domains") / "healthcare" / "domain.yaml").read_text(encoding="utf-8")
    text = text.replace("name: healthcare", "name: finance", 1).replace("[medical]", "[money]", 1)
    (tmp_path / "finance").mkdir()
    if file == "domain.yaml":
        text = text.replace("{{ pubid }}", content.decode())
    else:
        (tmp_path / "finance" / file).write_bytes(content)
    (tmp_path / "finance" / "domain.yaml").write_text(text, encoding="utf-8")
    listed = zoo("list", "--json", "--workspace", str(tmp_path / "w"), "--domain-path", str(tmp_path / "finance"))
    assert listed.returncode == 0, listed.stderr
    answer = json.loads(listed.stdout)
    assert [d["domain"] for d in answer["domains"]] == ["healthcare"]
    assert error in answer["broken"][0]["error"] and answer["broken"][0]["name"] == "finance"
    asked = zoo("train", "finance", "--domain-path", str(tmp_path / "finance"), "--workspace", str(tmp_path / "w"))
    assert asked.returncode in {1, 2} and error in asked.stderr and len(asked.stderr.splitlines()) == 1
    assert not (tmp_path / "w").exists()


def hurt(workspace: Path, *args: str, error: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that does nothing but fail, under the real `main`."""
    code = (
        "import sys, zoo.cli as c\n"
        "def hurt(workspace: str = '', json: bool = False) -> None:\n"
        f"    raise {error}\n"
        "c.app.command('hurt')(hurt)\n"
        "sys.argv[0] = 'zoo'; c.main()"
    )
    command = [sys.executable, "-c", code, "hurt", "--workspace", str(workspace), *args]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)


def test_an_error_nobody_foresaw_is_one_sentence_and_a_log(tmp_path):
    done = hurt(tmp_path, "--json", error="KeyError('deep inside')")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    (log,) = (tmp_path / "logs").iterdir()
    assert str(log) in done.stderr and "KeyError: 'deep inside'" in done.stderr
    assert str(log) in json.loads(done.stdout)["error"]
    assert "Traceback" in log.read_text() and "raise KeyError" not in done.stderr
    assert "Traceback" in hurt(tmp_path, error="KeyError('x')", ZOO_DEBUG="1").stderr


@pytest.mark.parametrize("file", [False, True])
def test_without_a_workspace_the_log_lies_in_the_temp_folder(file, tmp_path):
    (tmp_path / "temp").mkdir()
    if file:
        (tmp_path / "ws").write_text("no folder")
    done = hurt(tmp_path / "ws", error="RuntimeError()", TMPDIR=str(tmp_path / "temp"))
    (log,) = (tmp_path / "temp").iterdir()
    assert str(log) in done.stderr and (tmp_path / "ws").is_file() == file
    nowhere = hurt(tmp_path / "ws", error="OSError('no file at all')", TMPDIR=str(tmp_path / "none"))
    assert nowhere.returncode == 1 and "no file at all" in nowhere.stderr


@pytest.mark.parametrize(
    "error",
    [
        "OSError(28, 'No space left on device')",
        "RuntimeError('I/O error: No space left on device (os error 28)')",
        "__import__('sqlite3').OperationalError('database or disk is full')",
        "OSError(30, 'Read-only file system', 'somewhere')",
        "RuntimeError('writing failed') from OSError(122, 'Disk quota exceeded')",
    ],
)
def test_a_disk_that_takes_nothing_more_is_said_with_what_to_do(error, tmp_path):
    done = hurt(tmp_path, "--json", error=error)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and not list(tmp_path.iterdir())
    assert f"for the workspace {tmp_path} and" in json.loads(done.stdout)["error"]


def test_a_step_that_filled_the_disk_says_so_and_goes_on_once_there_is_room(tmp_path):
    corpus, ws = tmp_path / "long.txt", tmp_path / "ws"
    corpus.write_text("\n\n".join(f"Paragraph {n} says that adrenaline comes first." for n in range(300)))
    base, embedder = tiny_weights(tmp_path / "b").folder, tiny_embedder(tmp_path / "e")
    args = ["ingest", "medical", "--corpus", str(corpus), "--workspace", str(ws), "--base", str(base), "--json"]
    args += ["--set", f"ingest.embedder={embedder}", "--set", "ingest.sample=false", "--set", "ingest.workers=1"]
    most = 10_000
    # Else the interpreter would write modules' bytecode under the limit, and leave every later test half of it.
    for code in (folder("domains"), folder("domains").parent / "zoo"):
        assert compileall.compile_dir(code, quiet=2)
    full = zoo(*args, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY)))
    assert full.returncode == 1 and "Traceback" not in full.stderr
    assert "Nothing more can be written (File too large)" in json.loads(full.stdout)["error"]
    assert not list(ws.rglob("*.part")) and not list(ws.rglob("record.json")) and not (ws / "logs").exists()
    assert json.loads(zoo(*args).stdout)["passages"] > 1


def test_only_what_can_go_on_says_so_when_interrupted(tmp_path):
    done = hurt(tmp_path, "--json", error="KeyboardInterrupt")
    assert done.returncode == 130 and done.stderr.splitlines() == ["zoo: interrupted"]
    assert json.loads(done.stdout) == {"error": "interrupted"}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["train", "--json"], "Missing argument 'DOMAIN'"),
        (["train", "medical", "--corpsu", "x", "--json"], "--corpus"),
        (["trian", "medical", "--json"], "train"),
        (["train", "medical", "--seed", "x", "--json"], "--seed"),
    ],
)
def test_a_wrong_command_line_is_an_error_object_with_json(args, said):
    done = zoo(*args)
    assert done.returncode == 2 and done.stderr
    assert said in json.loads(done.stdout)["error"]


def test_a_steps_own_verb_takes_no_until(tmp_path):
    done = zoo("ingest", "medical", "--until", "release", "--plan", "--workspace", str(tmp_path / "w"))
    assert done.returncode == 2 and "zoo train medical --until release" in done.stderr


def ingesting(tmp_path, *more, **pipes):
    """A process in the middle of ingest."""
    code = "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"
    command = [sys.executable, "-c", code, "ingest", "medical", "--workspace", str(tmp_path), "--offline", *more]
    process = subprocess.Popen(
        [*command, "--base", str(tiny_weights(tmp_path / "b").folder), "--set", f"ingest.embedder={tiny_embedder(tmp_path / 'e')}"],
        stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts, **pipes,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("healthcare/ingest/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_says_how_to_go_on_and_exits_130(number, tmp_path):
    process = ingesting(tmp_path)
    began = time.monotonic()
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert said.endswith("zoo: interrupted; the same command goes on from here\n") and "Traceback" not in said
    assert process.returncode == 130 and time.monotonic() - began < 2


def test_an_interruption_ends_it_though_nobody_reads_its_last_word_any_more(tmp_path):
    process = ingesting(tmp_path, "--json", stdout=subprocess.PIPE)
    process.stdout.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 130
    process.stderr.close()


@pytest.mark.parametrize("broken", ["{", "{}"])
def test_a_broken_record_is_named_with_what_to_do(broken, tmp_path):
    place = tmp_path / "healthcare" / "releases" / "0.1.0"
    place.mkdir(parents=True)
    (place / "record.json").write_text(broken)
    (tmp_path / "healthcare" / "run.json").write_text(broken)
    for command in (("show", "medical"), ("list",), ("report", "medical")):
        done = zoo(*command, "--workspace", str(tmp_path), "--json")
        file = "run.json" if command[0] == "report" else "record.json"
        assert done.returncode == 1 and file in json.loads(done.stdout)["error"], done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_show_without_a_release_says_how_to_make_one(tmp_path):
    done = zoo("show", "medical", "--workspace", str(tmp_path), "--json")
    assert done.returncode == 2
    assert "zoo train medical" in done.stderr
    assert "zoo train medical" in json.loads(done.stdout)["error"]


def test_the_list_of_commands_breaks_lines_only_where_they_are_full():
    listed = {c.name: c.help for c in app.registered_commands}
    assert {"why", "forget", "annotate"} <= listed.keys()
    assert not [name for name, said in listed.items() if not said or "\n" in said]


@pytest.mark.slow
def test_help_answers_in_half_a_second():
    zoo("--help")
    began = time.monotonic()
    assert zoo("--help").returncode == 0
    assert time.monotonic() - began < 0.5
