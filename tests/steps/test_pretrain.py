"""pretrain on a handful of documents with a tiny random model, and finetune going on with its adapter."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import AutoTokenizer

from tests.fakes.models import tiny_weights
from tests.steps.finetune_job import DOMAIN, SMALL, examples
from zoo.api import Passage
from zoo.artifact import Artifact, Workspace, finish, write_rows
from zoo.config import Options
from zoo.curating.exams import exams_of
from zoo.errors import RequestError, ZooError
from zoo.library import GENERAL, Domain
from zoo.run import Job, Run, run_step
from zoo.settings import PretrainSettings, Recipe
from zoo.steps import finetune, pretrain
from zoo.training import fit
from zoo.training.loss import Collator
from zoo.training.material import corpus
from zoo.training.merge import load_adapted
from zoo.training.trainer import AnswerTrainer
from zoo.weights import Weights

SETTINGS = PretrainSettings(
    epochs=4, max_length=96, batch_rows=2, learning_rate=1e-2, held_out=0.2, checkpoint_every=2, max_tokens=6000
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return tiny_weights(tmp_path_factory.mktemp("base"))


def passages(documents: int = 10) -> list[Passage]:
    rows = []
    for d in range(documents):
        for n in range(3):
            text = (
                f"Drug {d} is given first and drug {n} is given later, and the pressure is measured before and after. "
                * 2
            )
            rows.append(
                Passage(
                    id=f"d{d}-{n}", document=f"d{d}", text=text.strip(), start=0, end=len(text.strip()), title="Drugs"
                )
            )
    return rows


def request(root: Path, base: Weights, settings: PretrainSettings = SETTINGS, **recipe: Any) -> Run:
    steps = ["ingest", "annotate", "pretrain", "finetune"]
    made = Recipe(name="test", base=base.name, steps=steps, pretrain=settings, finetune=SMALL, **recipe)
    run = Run(Domain(root, DOMAIN, "zoo.domains.test"), made, Options(workspace=root), Workspace(root))
    run.__dict__["base"] = base
    return run


def ingested(run: Run, rows: list[Passage]) -> Artifact:
    folder = run.workspace.step("test", "ingest", "made")
    write_rows(folder / "passages.jsonl", rows)
    return finish(folder, {"fingerprint": "made", "result": {}})


def test_a_passage_that_holds_an_exam_item_word_for_word_is_left_out_and_counted(tmp_path: Path, base: Weights) -> None:
    run = request(tmp_path, base)
    item = next(i for i in exams_of(run).items if len(i.text.split()) > 15)
    rows = passages()
    rows[4] = rows[4].model_copy(update={"text": f"An old paper asked: {item.text} Nobody knew."})
    folder = tmp_path / "step"
    step = Job(run, pretrain.STEP, {"ingest": ingested(run, rows)}, folder)
    tokenizer = AutoTokenizer.from_pretrained(base.folder)
    found = corpus(step, tokenizer)
    assert not any(item.text in text for text in [*(t.text for t in found.train), *found.held_out.values()])
    assert len(found.train) + len(found.held_out) == 10, "the rest of its document is read"
    (taken,) = found.rejected
    assert (taken.id, taken.reason, taken.detail["item"]) == (rows[4].id, "contaminated_13gram", item.id)
    assert pretrain.material(step, tokenizer).rejected == [taken]


@pytest.fixture(scope="module")
def trained(base: Weights, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Artifact]:
    run = request(tmp_path_factory.mktemp("pretrain"), base)
    return run, run_step(run, pretrain.STEP, {"ingest": ingested(run, passages())})[0]


def test_perplexity_of_held_out_documents_falls_and_the_counts_add_up(trained: tuple[Run, Artifact]) -> None:
    result = trained[1].result
    assert result["perplexity"]["after"] < 0.9 * result["perplexity"]["before"]
    assert result["replay_perplexity"]["before"] > 1
    assert (result["documents"], result["held_out"]) == (8, 2)
    share = result["replay_tokens"] / (result["replay_tokens"] + result["corpus_tokens"])
    assert share == pytest.approx(0.15, abs=0.05)
    assert result["tokens"] <= 6000 and result["stopped"] == "max_tokens"
    curve = [json.loads(line) for line in trained[1].path("curve.jsonl").read_text().splitlines()]
    assert curve[-1]["tokens"] == result["tokens"] and curve[-1]["loss"] < curve[0]["loss"]
    reader = EventAccumulator(str(trained[1].path("tensorboard"))).Reload()
    for name in ("perplexity", "replay_perplexity"):
        seen = [(e.step, e.value) for e in reader.Scalars(name)]
        taken = ((0, "before"), (result["steps"], "after"))
        assert seen == [(step, pytest.approx(result[name][when], rel=1e-6)) for step, when in taken]
    assert [e.step for e in reader.Scalars("loss")] == [r["step"] for r in curve]


def test_the_perplexity_after_is_that_of_the_adapter_it_leaves(base: Weights, tmp_path: Path) -> None:
    # At a constant rate the last step's update counts as much as any.
    constant = {"max_tokens": 1500, "schedule": "constant", "warmup": 0.0, "learning_rate": 0.05}
    run = request(tmp_path, base, SETTINGS.model_copy(update=constant))
    ingest = ingested(run, passages())
    artifact, _ = run_step(run, pretrain.STEP, {"ingest": ingest})
    tokenizer = AutoTokenizer.from_pretrained(base.folder)
    found = pretrain.material(Job(run, pretrain.STEP, {"ingest": ingest}, tmp_path), tokenizer)
    model, collator = load_adapted(base, artifact.path("adapter"), torch.float32), Collator(0, 1024)
    for name, packs in (("perplexity", found.documents), ("replay_perplexity", found.general)):
        assert artifact.result[name]["after"] == pytest.approx(
            pretrain.perplexity(model, packs, collator, "texts"), rel=1e-5
        )


def test_a_run_killed_while_it_measured_goes_on_to_the_same(
    trained: tuple[Run, Artifact], base: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure, measured = pretrain.perplexity, []

    def killed(*args: Any) -> float:
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(measure(*args))
        return measured[-1]

    run = request(tmp_path, base)
    inputs = {"ingest": ingested(run, passages())}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pretrain, "perplexity", killed)
        run_step(run, pretrain.STEP, inputs)
    again, _ = run_step(run, pretrain.STEP, inputs)
    for name in ("perplexity", "replay_perplexity"):
        assert again.result[name] == pytest.approx(trained[1].result[name], rel=1e-6)


def test_what_was_measured_before_a_kill_is_not_measured_again(
    base: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    run = request(tmp_path, base)
    inputs = {"ingest": ingested(run, passages())}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("zoo.training.merge.write_adapter", killed)
        run_step(run, pretrain.STEP, inputs)
    monkeypatch.setattr(pretrain, "perplexity", killed)
    assert set(run_step(run, pretrain.STEP, inputs)[0].result["perplexity"]) == {"before", "after"}


def test_a_base_lies_where_it_trains_before_it_is_measured(
    trained: tuple[Run, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, before = trained
    monkeypatch.setattr(fit, "device", lambda: "meta")
    for adapter in (None, before.path("adapter")):
        model = fit.adapted_base(Job(run, pretrain.STEP, {}, tmp_path), run.base, adapter)
        assert model.device.type == "meta" and {p.device.type for p in model.parameters()} == {"meta"}
    monkeypatch.undo()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert fit.device() == "cuda"


def test_finetune_goes_on_with_the_adapter(trained: tuple[Run, Artifact]) -> None:
    run, before = trained
    folder = run.workspace.step("test", "annotate", "made")
    write_rows(folder / "examples.jsonl", examples())
    annotated = finish(folder, {"fingerprint": "made", "result": {}})
    small = SMALL.model_copy(update={"learning_rate": 1e-9, "epochs": 0.1, "validation": 0.0})
    recipe = run.recipe.model_copy(update={"finetune": small})
    slow = Run(run.domain, recipe, run.options, run.workspace)
    slow.__dict__["base"] = run.base
    with warnings.catch_warnings():
        # What peft says of a base that it looks for on the Hub; it lies on this disk.
        warnings.filterwarnings("error", "Unable to fetch|Could not find a config file")
        after, _ = run_step(slow, finetune.STEP, {"annotate": annotated, "pretrain": before})
    old, new = (load_file(a.path("adapter/adapter_model.safetensors")) for a in (before, after))
    assert old.keys() == new.keys()
    assert (
        all(abs(old[k] - new[k]).max() < 1e-6 for k in old) and max(abs(old[k]).max() for k in old if "lora_B" in k) > 0
    )
    alone, _ = run_step(slow, finetune.STEP, {"annotate": annotated})
    assert alone.record["fingerprint"] != after.record["fingerprint"]


def test_the_same_again_is_the_same_bytes(trained: tuple[Run, Artifact], base: Weights, tmp_path: Path) -> None:
    run = request(tmp_path, base)
    again, _ = run_step(run, pretrain.STEP, {"ingest": ingested(run, passages())})
    assert again.content == trained[1].content


def test_one_document_cannot_be_held_out(base: Weights, tmp_path: Path) -> None:
    run = request(tmp_path, base)
    with pytest.raises(ZooError, match="only 1 with passages"):
        run_step(run, pretrain.STEP, {"ingest": ingested(run, passages(1))})


def test_the_steps_must_agree_in_precision(base: Weights, tmp_path: Path) -> None:
    run = request(tmp_path, base, SETTINGS.model_copy(update={"dtype": "bfloat16"}))
    with pytest.raises(RequestError, match=r"pretrain\.dtype and finetune\.dtype"):
        pretrain.check(run)


def test_the_plan_says_tokens_and_seconds(trained: tuple[Run, Artifact]) -> None:
    run, _ = trained
    ingest = Artifact(run.workspace.step("test", "ingest", "made"))
    planned = pretrain.plan(run, {"ingest": ingest})
    assert 3000 < planned["tokens"] <= 6000 and planned["seconds"] > 0
    assert pretrain.plan(run, {})["note"] == "known once ingest is done"


def test_the_packaged_replay_shares_no_run_of_words_with_the_general_suite() -> None:
    def runs(text: str, n: int = 8) -> set[tuple[str, ...]]:
        words = "".join(c.lower() if c.isalnum() else " " for c in text).split()
        return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}

    texts = [json.loads(line)["text"] for line in pretrain.REPLAY.read_text(encoding="utf-8").splitlines()]
    assert sum(len(t.split()) for t in texts) > 15_000
    items = [json.loads(line) for line in (GENERAL / "general.jsonl").read_text(encoding="utf-8").splitlines()]
    asked = set().union(*(runs(f"{i['question']} {' '.join(i['choices'])}") for i in items))
    shared = [r for t in texts for r in runs(t) & asked]
    assert not shared


FULL = SETTINGS.model_copy(update={"method": "full", "learning_rate": 3e-3})


def test_all_weights_can_train_and_finetune_adapts_what_they_became(base: Weights, tmp_path: Path) -> None:
    run = request(tmp_path, base, FULL)
    artifact, _ = run_step(run, pretrain.STEP, {"ingest": ingested(run, passages())})
    assert artifact.result["perplexity"]["after"] < 0.9 * artifact.result["perplexity"]["before"]
    assert not artifact.path("adapter").exists()
    before, after = (load_file(p / "model.safetensors") for p in (base.folder, artifact.path("model")))
    assert before.keys() == after.keys() and not any(torch.equal(before[n], after[n]) for n in before)
    assert str(base.folder) not in artifact.path("model/config.json").read_text()
    annotate = run.workspace.step("test", "annotate", "made")
    write_rows(annotate / "examples.jsonl", examples())
    made = {"annotate": finish(annotate, {"fingerprint": "made", "result": {}}), "pretrain": artifact}
    tuned, _ = run_step(run, finetune.STEP, made)
    # An adapter would be one of weights that nobody else has.
    assert not tuned.path("adapter").exists() and tuned.result["merge_difference"] < 1e-3
    merged = load_file(tuned.path("merged/model.safetensors"))
    moved = {n: float((merged[n] - after[n]).abs().max()) for n in after}
    assert moved["model.embed_tokens.weight"] == 0 and max(moved.values()) > 0
    assert AutoTokenizer.from_pretrained(tuned.path("merged")).chat_template


def test_a_killed_run_of_all_weights_goes_on_to_the_same(
    base: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, taken = AnswerTrainer.training_step, []

    def stops(*args: Any, **kwargs: Any) -> Any:
        if len(taken) == 5:
            raise KeyboardInterrupt
        taken.append(1)
        return step(*args, **kwargs)

    whole, killed = (request(tmp_path / name, base, FULL) for name in ("whole", "killed"))
    given = {"ingest": ingested(killed, passages())}
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(AnswerTrainer, "training_step", stops)
        run_step(killed, pretrain.STEP, given)
    resumed, _ = run_step(killed, pretrain.STEP, given)
    assert resumed.content == run_step(whole, pretrain.STEP, {"ingest": ingested(whole, passages())})[0].content


def test_all_weights_train_in_32_bits_alone(base: Weights, tmp_path: Path) -> None:
    run = request(tmp_path, base, FULL.model_copy(update={"dtype": "bfloat16"}))
    with pytest.raises(RequestError, match=r"set pretrain\.dtype=float32, or pretrain\.method=lora"):
        pretrain.check(run)
