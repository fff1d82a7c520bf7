"""Every recipe that is shipped trains, in its own precision, with a tiny random model in place of its base."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.fakes.models import tiny_weights
from tests.steps.finetune_job import DOMAIN, examples
from tests.steps.test_pretrain import passages
from zoo.artifact import Artifact, Workspace, finish, write_rows
from zoo.config import Options
from zoo.library import Domain
from zoo.recipes import load_recipe, recipes
from zoo.run import Run, load_step, run_step
from zoo.settings import EvaluateSettings
from zoo.training.fit import loaded

CUT = (
    "pretrain.max_tokens=3000", "pretrain.batch_tokens=512", "pretrain.pass_tokens=256", "pretrain.max_length=128",
    "finetune.max_tokens=3000", "finetune.batch_tokens=512", "finetune.pass_tokens=256", "finetune.rank=4",
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(recipes()))
def test_it_trains(name: str, tmp_path: Path) -> None:
    # The domain of these tests has none of the suites that a recipe may name.
    recipe = load_recipe(name, CUT).model_copy(update={"evaluate": EvaluateSettings()})
    dtype = recipe.finetune.dtype
    base = tiny_weights(tmp_path / "base", dtype=dtype)
    run = Run(Domain(tmp_path, DOMAIN, "zoo.domains.test"), recipe, Options(workspace=tmp_path), Workspace(tmp_path))
    run.__dict__["base"] = base
    done = {
        "ingest": made(run, "ingest", "passages.jsonl", passages()),
        "annotate": made(run, "annotate", "examples.jsonl", examples()),
    }
    for step in (s for s in recipe.steps if s in {"pretrain", "finetune"}):
        load_step(step).check(run)
        done[step], _ = run_step(run, load_step(step), done)
        losses = [json.loads(line)["loss"] for line in done[step].path("curve.jsonl").read_text().splitlines()]
        assert len(losses) > 3 and all(map(math.isfinite, losses)) and done[step].result["tokens"] <= 3000
        adapter = load_file(done[step].path("adapter/adapter_model.safetensors"))
        assert {t.dtype for t in adapter.values()} == {torch.float32}
        assert all(float(t.abs().max()) > 0 for n, t in adapter.items() if "lora_B" in n), "every matrix has trained"
    assert json.loads(done["finetune"].path("merged/config.json").read_text())["dtype"] == dtype


def made(run: Run, step: str, file: str, rows: list[Any]) -> Artifact:
    folder = run.workspace.step("test", step, "made")
    write_rows(folder / file, rows)
    return finish(folder, {"fingerprint": "made", "result": {}})


def test_over_a_base_in_16_bits_a_new_adapter_and_one_that_goes_on_are_in_32(tmp_path: Path) -> None:
    from peft import LoraConfig

    lora = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    base = tiny_weights(tmp_path / "base", dtype="bfloat16")
    model = loaded(base, "bfloat16", 0, lora=lora)
    model.save_pretrained(tmp_path / "adapter")
    for made in (model, loaded(base, "bfloat16", 0, tmp_path / "adapter")):
        kinds = {(p.requires_grad, p.dtype) for p in made.parameters()}
        assert kinds == {(True, torch.float32), (False, torch.bfloat16)}
        assert made(input_ids=torch.ones(1, 4, dtype=torch.long)).logits.dtype == torch.bfloat16
