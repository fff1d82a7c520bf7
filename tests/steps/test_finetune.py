from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fakes.models import tiny_weights
from tests.steps.finetune_job import DOMAIN, SMALL, examples, finetune
from zoo.artifact import Artifact
from zoo.errors import ZooError
from zoo.library import Domain
from zoo.run import Run
from zoo.settings import FinetuneSettings, Recipe
from zoo.steps import finetune as step
from zoo.weights import Weights


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return tiny_weights(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def trained(base: Weights, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return finetune(tmp_path_factory.mktemp("trained"), base, examples())


def settings(**changed: Any) -> FinetuneSettings:
    return SMALL.model_copy(update=changed)


def lines(artifact: Artifact, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in artifact.path(name).read_text().splitlines()]


def test_what_it_says_and_leaves(trained: Artifact) -> None:
    result = trained.result
    assert result["rows"] == 40 and result["steps"] == 20 and result["stopped"] is None
    assert result["loss"]["last"] < result["loss"]["first"]
    assert result["validation"]["rows"] == 8 and result["validation"]["best"] <= result["validation"]["first"]
    assert 0.01 < result["trained_share"] < 0.99 and result["tokens_per_second"] > 0
    curve = lines(trained, "curve.jsonl")
    assert [r["step"] for r in curve] == list(range(1, 21)) and curve[-1]["tokens"] == result["tokens"]
    assert [r["step"] for r in curve if "validation_loss" in r] == [5, 10, 15, 20]
    alone = sum(r["tokens"] for r in lines(trained, "rows.jsonl") if r["split"] == "train")
    assert result["read_once"] > 0 and (alone - result["read_once"]) * 2 == result["tokens"]
    assert result["seen"] == 40
    assert result["examples"] == {"train": 20, "validation": 4, "unseen": 0, "no_row": 0, "not_chosen": 0}
    assert "⟦<think>" in trained.path("finetune.log").read_text()
    assert not (trained.folder / "work").exists()


def test_no_path_of_this_machine_is_left(trained: Artifact, base: Weights) -> None:
    for name in trained.record["files"]:
        if not name.endswith(".safetensors"):
            text = trained.path(name).read_bytes().decode("utf-8", "replace")
            assert str(base.folder) not in text and str(trained.folder) not in text, name
    assert json.loads(trained.path("adapter/adapter_config.json").read_text())["base_model_name_or_path"] == base.name


def test_the_adapter_on_its_base_is_the_merged_model(trained: Artifact, base: Weights) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    plain = AutoModelForCausalLM.from_pretrained(base.folder)
    ids = AutoTokenizer.from_pretrained(trained.path("merged")).apply_chat_template(
        [{"role": "user", "content": "Which drug is number 3?"}], return_tensors="pt", return_dict=True
    )["input_ids"]
    with torch.no_grad():
        untouched = plain(ids).logits
        adapted = PeftModel.from_pretrained(plain, trained.path("adapter"))(ids).logits
        merged = AutoModelForCausalLM.from_pretrained(trained.path("merged"))(ids).logits
    assert float((adapted - merged).abs().max()) < 1e-3
    assert float((adapted - untouched).abs().max()) > 1e-2


def test_a_merged_model_that_differs_fails_the_step(
    base: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.training import merge

    load = merge._load_merged

    def damaged(folder: Path) -> Any:
        model = load(folder)
        model.model.norm.weight.data *= 1.1
        return model

    monkeypatch.setattr(merge, "_load_merged", damaged)
    with pytest.raises(ZooError, match="logits differ"):
        finetune(tmp_path, base, examples(8), settings(epochs=1, validation=0))


def test_a_base_in_16_bits_is_merged_in_16_bits(tmp_path: Path) -> None:
    half = tiny_weights(tmp_path / "half", dtype="bfloat16")
    artifact = finetune(tmp_path, half, examples(8), settings(epochs=1, validation=0))
    assert json.loads(artifact.path("merged/config.json").read_text())["dtype"] == "bfloat16"


def test_the_same_again_leaves_the_same_bytes(trained: Artifact, base: Weights, tmp_path: Path) -> None:
    again = finetune(tmp_path, base, examples())
    assert again.content == trained.content and again.record["fingerprint"] == trained.record["fingerprint"]


KILLED = {
    "order": "basic_to_complex", "rounds": 3, "epochs": 6, "checkpoint_every": 3, "validate_every": 4, "learning_rate": 0.3,
    "patience": 5, "dropout": 0.1,
}  # fmt: skip


def shown_as_its_curve(artifact: Artifact) -> None:
    """TensorBoard's own reader finds in an artifact what its curve.jsonl has, each step once."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(artifact.path("tensorboard")), size_guidance={"scalars": 0}).Reload()
    rows = lines(artifact, "curve.jsonl")
    for name in ("loss", "learning_rate", "tokens", "validation_loss"):
        seen = [(e.step, e.value) for e in reader.Scalars(name)]
        assert seen == [(r["step"], pytest.approx(r[name], rel=1e-6)) for r in rows if name in r]
    speeds = reader.Scalars("tokens_per_second")
    assert [e.step for e in speeds] == [r["step"] for r in rows] and all(e.value > 0 for e in speeds)


def test_a_killed_run_goes_on_exactly(tmp_path: Path) -> None:
    def start(folder: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.steps.finetune_job", str(folder)]
        command += [f"{k}={json.dumps(v)}" for k, v in KILLED.items()]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def finished(process: subprocess.Popen[str]) -> tuple[Artifact, str]:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return Artifact(Path(json.loads(out)["artifact"])), err

    whole, _ = finished(start(tmp_path / "whole"))
    work = tmp_path / "killed" / "test" / "finetune" / whole.folder.name / "work" / "checkpoints"
    for step_reached in (6, 12):
        process = start(tmp_path / "killed")
        while not any(int(p.parent.name[11:]) >= step_reached for p in work.glob("checkpoint-*/complete.json")):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    resumed, said = finished(start(tmp_path / "killed"))
    assert "going on from step" in said
    assert whole.result["stopped"] == "early" and whole.result["validation"]["best_step"] < whole.result["steps"]
    timed = (".log", "tensorboard/")
    names = {n for n in whole.record["files"] if not n.endswith(timed[0]) and not n.startswith(timed[1])}
    assert {n: resumed.record["files"][n]["sha256"] for n in names} == {
        n: whole.record["files"][n]["sha256"] for n in names
    }
    assert resumed.content == whole.content
    for artifact, files in ((whole, 1), (resumed, 3)):
        assert len([n for n in artifact.record["files"] if n.startswith("tensorboard/")]) == files
        shown_as_its_curve(artifact)
    log = resumed.path("finetune.log").read_text(encoding="utf-8").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in log)
    assert sum("going on after an earlier run" in line for line in log) == 2
    assert sum("going on from step" in line for line in log) == 2
    assert sum("tokens/s" in line for line in log) == 1, "the two killed runs said no closing line"
    assert "finetune: done in" in log[-1] and str(tmp_path) not in "".join(log)


def test_a_launcher_that_starts_one_process_changes_nothing(trained: Artifact, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launched = {
        "LOCAL_RANK": "0", "RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "ACCELERATE_USE_CPU": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.steps.finetune_job", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **launched}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["loss"] == pytest.approx(trained.result["loss"], rel=1e-3)
    assert result["steps"] == trained.result["steps"]


def test_it_stops_early_and_leaves_the_best_adapter(base: Weights, tmp_path: Path) -> None:
    rising = settings(learning_rate=0.5, epochs=20, patience=2, validate_every=2, schedule="constant", warmup=0)
    artifact = finetune(tmp_path / "a", base, examples(), rising)
    result = artifact.result
    best = result["validation"]["best_step"]
    assert result["stopped"] == "early" and result["steps"] == best + 4
    losses = {r["step"]: r["validation_loss"] for r in lines(artifact, "curve.jsonl") if "validation_loss" in r}
    assert min(losses, key=lambda s: losses[s]) == best


def test_what_trained_after_the_best_adapter_is_not_in_it(base: Weights, tmp_path: Path) -> None:
    rising = settings(learning_rate=0.5, batch_rows=1, patience=2, validate_every=2, schedule="constant", warmup=0)
    artifact = finetune(tmp_path, base, examples(), rising)
    result, rows = artifact.result, lines(artifact, "rows.jsonl")
    best = result["validation"]["best_step"]
    assert best < result["steps"] < 40, "it ends within the first epoch"
    assert result["seen"] == best == sum(r["split"] == "train" for r in rows)
    assert result["examples"]["unseen"] > 0 and sum(result["examples"].values()) == len(examples())


def test_a_token_budget_is_a_clean_stop(base: Weights, tmp_path: Path) -> None:
    artifact = finetune(tmp_path, base, examples(), settings(max_tokens=2000, validation=0, max_length=96))
    result, rows, made = artifact.result, lines(artifact, "rows.jsonl"), len(examples())
    assert result["stopped"] == "max_tokens" and 1500 < result["tokens"] <= 2000
    trained = {r["example"] for r in rows if r["split"] == "train"}
    assert sum(r["tokens"] for r in rows if r["split"] == "train") == result["tokens"], "less than an epoch"
    without = made - len({r["example"] for r in rows})
    unseen = made - len(trained) - without
    assert 0 < len(trained) < made and unseen > 0
    assert result["examples"] == {
        "train": len(trained),
        "validation": 0,
        "unseen": unseen,
        "no_row": without,
        "not_chosen": 0,
    }


def test_too_few_validation_rows_train_too(base: Weights, tmp_path: Path) -> None:
    artifact = finetune(tmp_path, base, examples(8), settings(epochs=1))
    validation = artifact.result["validation"]
    assert validation["rows"] == 0 and "too few" in validation["skipped"]
    assert "too few to stop early by" in artifact.path("finetune.log").read_text()


def test_a_loss_that_is_no_number_fails_the_step(base: Weights, tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"lower the learning_rate"):
        finetune(tmp_path, base, examples(8), settings(learning_rate=1e20, validation=0, warmup=0, epochs=5))


def test_nothing_to_train_on_is_said(base: Weights, tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"raise finetune\.max_length"):
        finetune(tmp_path / "long", base, examples(4), settings(max_length=32))


def test_examples_of_some_origins_train_and_at_most_so_many(base: Weights, tmp_path: Path) -> None:
    some = settings(origins=["document"], examples=5, validation=0.0, epochs=1)
    artifact = finetune(tmp_path / "some", base, examples(), some)
    trained = {r["example"] for r in lines(artifact, "rows.jsonl")}
    assert len(trained) == 5 and all(int(e[1:]) % 2 == 0 for e in trained)
    assert artifact.result["examples"] == {"train": 5, "validation": 0, "unseen": 0, "no_row": 0, "not_chosen": 19}
    fewer = finetune(tmp_path / "fewer", base, examples(), some.model_copy(update={"examples": 3}))
    assert {r["example"] for r in lines(fewer, "rows.jsonl")} < trained
    with pytest.raises(ZooError, match=r"is of origin questions.*finetune\.origins"):
        finetune(tmp_path / "none", base, examples(), settings(origins=["questions"]))


def test_identity_is_the_base_and_the_prompt(base: Weights, tmp_path: Path) -> None:
    domain = Domain(tmp_path, DOMAIN, "none")

    def of(weights: Weights) -> dict[str, Any]:
        run = Run.__new__(Run)
        run.__dict__.update(domain=domain, base=weights)
        return step.identity(run)

    first = of(base)
    assert of(replace(base, digest="other")) != first
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "question.j2").write_text("{{ question }}")
    assert of(base) != first


def test_the_plan_counts_rows_and_tokens_without_a_base(trained: Artifact) -> None:
    run = Run.__new__(Run)
    recipe = Recipe(name="test", base="none", steps=["annotate", "finetune"], finetune=SMALL)
    run.__dict__.update(domain=Domain(trained.folder, DOMAIN, "none"), recipe=recipe)
    assert step.plan(run, {})["rows"] is None
    given = Artifact(trained.folder.parent.parent / "annotate" / "made")
    planned = step.plan(run, {"annotate": given})
    assert planned["rows"] == trained.result["rows"] + trained.result["validation"]["rows"]
    assert planned["tokens"] > 0 and planned["seconds"] > 0 and "estimate" in planned["note"]
