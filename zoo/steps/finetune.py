"""finetune: LoRA on the examples, loss on the assistant's turn only; leaves the adapter and the merged model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.api import Example
from zoo.artifact import Artifact, digest_file, write_rows
from zoo.config import FinetuneSettings
from zoo.console import progress, say
from zoo.errors import ZooError
from zoo.prompting import assistant_turn, template_path, user_turn
from zoo.run import Job, Run, Step, threads
from zoo.training.batches import Layout, lay_out
from zoo.training.forms import forms
from zoo.training.rows import Made, Template, TokenRow, make_rows, split, trained_share

FEWEST_VALIDATION = 8  # rows; a loss over fewer says too little to stop by
TOKENS_PER_SECOND = 250.0  # 135M parameters in float32 on two CPU cores, measured; for the plan only
CHARACTERS_PER_TOKEN = 4.0


def check(run: Run) -> None:
    """Nothing to refuse before work: the settings' own limits are checked as the recipe is read."""


def identity(run: Run) -> dict[str, Any]:
    return {"base": run.base.digest, "template": digest_file(template_path(run.domain))}


def plan(run: Run, inputs: dict[str, Artifact]) -> dict[str, Any]:
    """Rows, tokens and seconds, estimated from the examples where they exist."""
    settings = run.recipe.finetune
    if "annotate" not in inputs:
        return {"rows": None, "tokens": settings.max_tokens, "seconds": None, "note": "known once annotate is done"}
    rows, characters = 0, 0
    for example in inputs["annotate"].rows("examples.jsonl", Example):
        for form in forms(example, settings, run.recipe.seed):
            user = user_turn(run.domain, example, context=form.context, reasoning=form.reasoning, options=form.options)
            characters += len(user) + len(assistant_turn(example.reasoning if form.reasoning else "", example.answer))
            rows += 1
    tokens = round(characters / CHARACTERS_PER_TOKEN * settings.epochs)
    tokens = min(tokens, settings.max_tokens or tokens)
    note = f"estimate, at {TOKENS_PER_SECOND:.0f} tokens/s (135M parameters on 2 CPU cores)"
    return {"rows": rows, "tokens": tokens, "seconds": round(tokens / TOKENS_PER_SECOND), "note": note}


def run(job: Job) -> dict[str, Any]:
    settings: FinetuneSettings = job.settings
    log = Log(job.folder / "train.log")
    template = load_template(job)
    made = rows_of(job, template)
    write_rows(job.folder / "rejected.jsonl", made.rejected)
    rows, validation, skipped = held_out(made, settings, job.run.recipe.seed)
    share = trained_share(made.rows)
    show_one(log, rows, share, template)
    layout = lay_out(
        [len(r) for r in rows], epochs=settings.epochs, rows=settings.batch_rows, tokens=settings.batch_tokens,
        max_tokens=settings.max_tokens, seed=job.run.recipe.seed,
    )  # fmt: skip
    counts = f"{len(rows)} rows, {layout.tokens[-1]} tokens in {len(layout.batches)} steps"
    log.say(f"  training on {counts}; {skipped or f'{len(validation)} rows for validation'}")
    trained = train(job, template, rows, validation, layout)
    difference = leave_models(job, trained.adapter, [*validation, *rows][:3])
    write_rows(job.folder / "curve.jsonl", curve(trained.history, layout))
    write_rows(job.folder / "rows.jsonl", row_ids(rows, validation))
    log.say(f"  merged; its logits differ from the adapter's by {difference:.1e} at most")
    return {
        **trained.result(layout), "rows": len(rows), "trained_share": round(share, 4), "truncated": made.truncated,
        "rejected": len(made.rejected), "merge_difference": difference,
        "validation": {"rows": len(validation), **trained.validation(), **({"skipped": skipped} if skipped else {})},
    }  # fmt: skip


class Log:
    """Lines for the console and for `train.log`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text("", encoding="utf-8")

    def say(self, text: str) -> None:
        say(text)
        with self.path.open("a", encoding="utf-8") as f:
            f.write(text.rstrip() + "\n")


def load_template(job: Job) -> Template:
    from transformers import AutoTokenizer, GenerationConfig

    base = job.run.base
    tokenizer = AutoTokenizer.from_pretrained(base.folder, local_files_only=True)
    ends: list[int] = []
    if (base.folder / "generation_config.json").is_file():
        eos = GenerationConfig.from_pretrained(base.folder, local_files_only=True).eos_token_id
        ends = eos if isinstance(eos, list) else [eos]
    return Template(tokenizer, base.name, ends)


def rows_of(job: Job, template: Template) -> Made:
    examples = list(job.inputs["annotate"].rows("examples.jsonl", Example))
    if not examples:
        raise ZooError(
            "There is no example to train on: annotate kept none; its rejected.jsonl says which check took what."
        )
    made = make_rows(job.domain, template, examples, job.settings, job.run.recipe.seed)
    if not made.rows:
        raise ZooError(
            f"None of the {len(examples)} examples fits in {job.settings.max_length} tokens; raise finetune.max_length."
        )
    return made


def held_out(made: Made, settings: FinetuneSettings, seed: int) -> tuple[list[TokenRow], list[TokenRow], str]:
    """Training rows, validation rows, and why there is no validation if there is none."""
    rows, validation = split(made.rows, settings.validation, settings.validation_rows, seed)
    if settings.validation == 0 or settings.validation_rows == 0:
        return made.rows, [], "no validation was asked for, so no early stopping"
    if len(validation) < FEWEST_VALIDATION or not rows:
        few = f"{len(validation)} validation rows are too few to stop early by"
        return made.rows, [], f"{few} (at least {FEWEST_VALIDATION}), so they train too"
    return rows, validation, ""


def show_one(log: Log, rows: Sequence[TokenRow], share: float, template: Template) -> None:
    from zoo.training.show import CLOSE, OPEN, marked

    row = max(rows, key=lambda r: r.trained / len(r))
    log.say(
        f"  {share:.1%} of the tokens train; in this row ({row.example}, {row.form}) those between {OPEN} and {CLOSE}:"
    )
    log.say("\n".join(f"  | {line}" for line in marked(row, template.tokenizer).splitlines()))


@dataclass(frozen=True)
class Trained:
    """What training left. `history` is the trainer's log, one entry a step or validation."""

    adapter: Path
    history: list[dict[str, Any]]
    seconds: float
    stopped_early: bool

    def result(self, layout: Layout) -> dict[str, Any]:
        """`first` and `last` are means over a tenth of the steps, at least one: batches differ in length and kind."""
        losses = [h["loss"] for h in self.history if "loss" in h]
        part = max(1, len(losses) // 10)
        tokens = layout.tokens[len(losses) - 1]
        return {
            "tokens": tokens, "seconds": round(self.seconds, 1), "steps": len(losses),
            "tokens_per_second": round(tokens / max(self.seconds, 1e-9), 1),
            "loss": {"first": sum(losses[:part]) / part, "last": sum(losses[-part:]) / part},
            "stopped": "early" if self.stopped_early else layout.stopped,
        }  # fmt: skip

    def validation(self) -> dict[str, Any]:
        from zoo.training.trainer import best_step, validation_losses

        losses = validation_losses(self.history)
        if not losses:
            return {}
        best = best_step(losses)
        return {"first": losses[0][1], "last": losses[-1][1], "best": dict(losses)[best], "best_step": best}


def train(
    job: Job, template: Template, rows: Sequence[TokenRow], validation: Sequence[TokenRow], layout: Layout
) -> Trained:
    """Trains, or goes on from the last whole checkpoint in the step's work folder."""
    import torch
    from peft import LoraConfig, get_peft_model

    from zoo.attention import attends_to_all
    from zoo.training import trainer as t
    from zoo.training.loss import Collator
    from zoo.training.merge import load_base

    settings: FinetuneSettings = job.settings
    quiet()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads())
    checkpoints, best = job.work / "checkpoints", job.work / "best"
    best.mkdir(exist_ok=True)
    checkpoint = t.last_checkpoint(checkpoints)
    torch.manual_seed(job.run.recipe.seed)
    lora = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules="all-linear",
        task_type="CAUSAL_LM",
    )  # fmt: skip
    model = get_peft_model(load_base(job.run.base, getattr(torch, settings.dtype)), lora)
    if any(r.others for r in rows) and not attends_to_all(model.config):
        raise ZooError(
            f"The layers of {job.run.base.name} do not all attend to all tokens, which the choice loss needs; set "
            "finetune.choice_loss=0."
        )
    arguments = t.arguments(settings, checkpoints, len(layout.batches), bool(validation), job.run.recipe.seed)
    collator = Collator(template.tokenizer.pad_token_id or 0, settings.pass_tokens)
    step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
    done = layout.tokens[step - 1] if step else 0
    if checkpoint:
        say(f"  going on from step {step} of {len(layout.batches)}")
    with progress("tokens trained", layout.tokens[-1] - done) as bar:
        watch = t.Watch(bar, layout, best, settings.patience, t.seconds_before(checkpoint))
        fold = settings.dtype == "float32" and not settings.dropout
        trainer = t.AnswerTrainer(
            model, arguments, rows, validation, layout, collator, watch, settings.choice_loss, fold
        )  # fmt: skip
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    history = trainer.state.log_history
    saved = job.work / "last"
    if validation:
        saved = best / f"step-{t.best_step(t.validation_losses(history))}"
    else:
        shutil.rmtree(saved, ignore_errors=True)
        model.save_pretrained(saved)
    return Trained(saved, history, watch.seconds, watch.stopped)


def quiet() -> None:
    """The libraries' own bars and notices; what they warn of that matters is checked here."""
    import warnings

    import transformers

    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft|accelerate)\.")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def leave_models(job: Job, saved: Path, rows: Sequence[TokenRow]) -> float:
    from zoo.training.merge import merge, write_adapter

    write_adapter(saved, job.folder / "adapter", job.run.base)
    return merge(job.run.base, job.folder / "adapter", job.folder / "merged", rows)


def curve(history: Sequence[dict[str, Any]], layout: Layout) -> list[dict[str, Any]]:
    """One row a step: tokens so far, loss, learning rate, and the validation loss where it was taken."""
    by_step: dict[int, dict[str, Any]] = {}
    for entry in history:
        step = int(entry["step"])
        row = by_step.setdefault(step, {"step": step, "tokens": layout.tokens[step - 1]})
        for name, ours in (("loss", "loss"), ("learning_rate", "learning_rate"), ("eval_loss", "validation_loss")):
            if name in entry:
                row[ours] = entry[name]
    return [by_step[step] for step in sorted(by_step)]


def row_ids(rows: Sequence[TokenRow], validation: Sequence[TokenRow]) -> list[dict[str, Any]]:
    """Which example went in in which form, how long it was, and whether it trained or validated."""
    return [
        {"example": r.example, "kind": r.kind, "form": r.form, "tokens": len(r), "trained": r.trained, "split": name}
        for name, part in (("train", rows), ("validation", validation))
        for r in part
    ]


STEP = Step("finetune", 2, ("annotate",), check, identity, plan, run)
