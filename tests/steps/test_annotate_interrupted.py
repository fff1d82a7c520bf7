"""Ctrl-C while some of the teacher's connections are stuck, through the command itself."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.models import tiny_embedder, tiny_weights
from tests.fakes.processes import heed_interrupts
from tests.fakes.teacher import Reply, serving
from tests.steps.annotate_job import make, passage_text
from tests.steps.test_annotate import number, right

COMMAND = [sys.executable, "-c", "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"]
PASSAGES, STUCK = 12, 4


@pytest.mark.slow
def test_an_interruption_keeps_every_answer_that_arrived(tmp_path: Path) -> None:
    make(tmp_path, 2)
    for n in range(PASSAGES):
        file = tmp_path / "pharmacy" / "sample" / f"drug{n}.md"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"# Drug {n}\n\n{passage_text(n)}\n")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("base: none\nsteps: [ingest, annotate]\nannotate: {duplicate: 1.0}\n")
    stuck = True

    def script(body: dict[str, Any], before: int) -> Reply:
        return Reply(delay=60) if stuck and number(body) < STUCK else right(body)

    with serving(script) as teacher:
        command = [
            *COMMAND, "annotate", "pharmacy", "--recipe", str(recipe), "--json", "--offline", "--workspace", str(tmp_path / "ws"),
            "--domain-path", str(tmp_path / "pharmacy"), "--base", str(tiny_weights(tmp_path / "base").folder),
            "--set", f"ingest.embedder={tiny_embedder(tmp_path / 'embedder')}",
            "--teacher-url", teacher.url, "--teacher-model", "scripted",
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heed_interrupts)
        answered = 2 * (PASSAGES - STUCK)
        deadline = time.monotonic() + 120
        while sum(e.done for e in teacher.log) < answered:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        time.sleep(0.3)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[0]
        assert process.returncode == 130 and time.monotonic() - began < 2
        assert "goes on from here" in json.loads(said)["error"]
        stuck, before = False, len(teacher.log)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
    assert result["asked"] == PASSAGES and result["calls"] == 2 * PASSAGES and result["cached"] == answered
    assert len(teacher.log) - before == 2 * STUCK
