"""Runs `finetune` on given examples, without the other steps; also as a process of its own, to be killed:

python -m tests.steps.finetune_job WORKSPACE [key=value ...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.fakes.models import tiny_weights
from zoo.api import Citation, Example
from zoo.artifact import Artifact, Workspace, finish, write_rows
from zoo.config import DomainConfig, GateConfig, Options
from zoo.library import Domain
from zoo.ranks import led
from zoo.run import Run, run_step
from zoo.settings import FinetuneSettings, Recipe
from zoo.steps.finetune import STEP
from zoo.weights import Weights

DOMAIN = DomainConfig(
    api_version=1, name="test", title="Test", summary="", intended_use="", out_of_scope="", disclaimer="", sources=[],
    annotators={}, verifiers={}, suites=[], gate=GateConfig(suite="test"),
)  # fmt: skip
SMALL = FinetuneSettings(
    rank=4, alpha=8, epochs=2, max_length=256, batch_rows=4, batch_tokens=1024, learning_rate=5e-3, validate_every=5,
    validation=0.2, checkpoint_every=4, direct_share=1.0, options_share=1.0, choice_loss=0.5,
)  # fmt: skip


def examples(n: int = 24) -> list[Example]:
    """Half choice questions with reasoning and a cited passage, half labels of a dialogue; as many of each level."""
    out = []
    for i in range(n):
        level = ("basic", "intermediate", "complex")[i % 3]
        common: dict[str, Any] = {"id": f"e{i}", "source": "test", "licence": "CC0-1.0", "level": level}
        if i % 2:
            text = f"Patient {i} says " + "well " * (i % 7)
            out.append(
                Example(kind="label", question="Which section?", context=text, answer="PLAN", origin="person", **common)
            )
            continue
        out.append(
            Example(
                kind="choice",
                question=f"Which drug is number {i}?",
                context=f"Drug {i} is given first, the others later.",
                choices=[f"drug {i}", f"drug {i + 1}", f"drug {i + 2}"],
                reasoning=f"The text says drug {i} is given first.",
                answer=f"drug {i}",
                citations=[Citation(quote=f"Drug {i} is given first")],
                origin="document",
                **common,
            )
        )
    return out


def finetune(
    root: Path, base: Weights, rows: Sequence[Example], settings: FinetuneSettings = SMALL, domain: Domain | None = None
) -> Artifact:
    """The step's artifact under `root`, run on `rows` as if annotate had kept them."""
    workspace = Workspace(root)
    domain = domain or Domain(root, DOMAIN, "zoo.domains.test")
    annotate = workspace.step(domain.name, "annotate", "made")
    write_rows(annotate / "examples.jsonl", rows)
    given = finish(annotate, {"fingerprint": "made", "result": {}})
    recipe = Recipe(name="test", base=base.name, steps=["annotate", "finetune"], finetune=settings)
    run = Run(domain, recipe, Options(workspace=root), workspace)
    run.__dict__["base"] = base
    return run_step(run, STEP, {"annotate": given})[0]


def main(root: Path, changed: dict[str, Any]) -> None:
    led(lambda: job(root, changed))


def job(root: Path, changed: dict[str, Any]) -> None:
    base = root / "base"
    base.mkdir(parents=True, exist_ok=True)
    settings = SMALL.model_copy(update=changed)
    artifact = finetune(root, replace(tiny_weights(base)), examples(), settings)
    sys.stdout.write(json.dumps({**artifact.result, "artifact": str(artifact.folder)}) + "\n")


if __name__ == "__main__":
    pairs = dict(argument.split("=", 1) for argument in sys.argv[2:])
    main(Path(sys.argv[1]), {key: json.loads(value) for key, value in pairs.items()})
