"""`zoo train` in a process of its own, cut down until tiny random models run it through, and what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fakes.models import tiny_embedder, tiny_weights
from tests.fakes.processes import heed_interrupts
from zoo.artifact import Artifact

SMALL = (
    "ingest.passage_tokens=800", "annotate.duplicate=1.0", "annotate.max_calls=8", "annotate.local_answer_tokens=16",
    "pretrain.max_tokens=9000", "finetune.epochs=1", "finetune.max_tokens=30000", "finetune.checkpoint_every=3", "evaluate.few_shot=1",
    "evaluate.max_generated_tokens=4", "evaluate.bootstrap=200", "release.override_gate=true",
    "evaluate.limit={healthcare_exam: 6, healthcare_exam_open: 6, healthcare_exam_cot: 3, general: 12}",
)  # fmt: skip
_CODE = "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"
Models = tuple[Path, Path]


def tiny_models(root: Path) -> Models:
    """Base and embedder."""
    return tiny_weights(root / "base").folder, tiny_embedder(root / "embedder")


def start(models: Models, workspace: Path, *more: str) -> subprocess.Popen[str]:
    """`zoo train medical`, leading a process group of its own. Of a setting given twice the last one counts."""
    base, embedder = models
    settings = [x for s in (*SMALL, f"ingest.embedder={embedder}") for x in ("--set", s)]
    return subprocess.Popen(
        [
            sys.executable, "-c", _CODE, "train", "medical", "--base", str(base), "--workspace", str(workspace), "--json",
            *settings, *more,
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, cwd="/",
        start_new_session=True, preexec_fn=heed_interrupts,
    )  # fmt: skip


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The object that a run printed which ended well."""
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    assert len(out.splitlines()) == 1, "stdout holds one JSON object and nothing else"
    return dict(json.loads(out))


def records(workspace: Path) -> dict[str, Path]:
    """The record of every finished artifact, by its folder (`ingest/0123456789abcdef`)."""
    root = workspace / "healthcare"
    return {p.parent.relative_to(root).as_posix(): p for p in sorted(root.glob("*/*/record.json"))}


def contents(workspace: Path) -> dict[str, str]:
    """The content of every finished artifact but releases, whose files name times."""
    return {n: Artifact(p.parent).content for n, p in records(workspace).items() if not n.startswith("releases/")}
