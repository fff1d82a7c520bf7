"""One training of an adapter, from its beginning or from the last whole checkpoint, as pretrain and finetune both do it."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.console import Progress, progress, say
from zoo.errors import ZooError
from zoo.ranks import send, taking_part
from zoo.run import Job, threads
from zoo.settings import TrainingSettings
from zoo.training.batches import Layout
from zoo.weights import Weights

if TYPE_CHECKING:
    from zoo.training.shares import Team
    from zoo.training.trainer import AnswerTrainer


@dataclass(frozen=True)
class Trained:
    """What training left. `history` is the trainer's log, one entry a step or validation."""

    saved: Path
    history: list[dict[str, Any]]
    seconds: float
    stopped_early: bool
    processes: int

    def result(self, layout: Layout) -> dict[str, Any]:
        """`first` and `last` are means over a tenth of the steps, at least one: batches differ in length and kind."""
        losses = [h["loss"] for h in self.history if "loss" in h]
        part = max(1, len(losses) // 10)
        tokens = layout.tokens[len(losses) - 1]
        return {
            "tokens": tokens, "seconds": round(self.seconds, 1), "steps": len(losses),
            "tokens_per_second": round(tokens / max(self.seconds, 1e-9), 1),
            "loss": {"first": sum(losses[:part]) / part, "last": sum(losses[-part:]) / part},
            "stopped": "early" if self.stopped_early else layout.stopped, "processes": self.processes,
        }  # fmt: skip

    def kept_batches(self, layout: Layout) -> list[list[int]]:
        """The batches that the adapter has seen: those up to the best validation loss, else all that were trained."""
        done = len([h for h in self.history if "loss" in h])
        return layout.batches[: self.validation().get("best_step", done)]

    def validation(self) -> dict[str, Any]:
        from zoo.training.trainer import best_step, validation_losses

        losses = validation_losses(self.history)
        if not losses:
            return {}
        best = best_step(losses)
        return {"first": losses[0][1], "last": losses[-1][1], "best": dict(losses)[best], "best_step": best}


@dataclass(frozen=True)
class Goal:
    """What a training minimises beside the loss of its rows, and how it is watched; finetune's settings of those names."""

    choice_loss: float = 0.0
    validate_every: int = 25
    patience: int = 1


@dataclass(frozen=True)
class Training:
    """One training, as every process that takes part has to know it. `lora` is peft's configuration of the adapter, None
    where the whole base trains; `folder` is the step's work folder, in which rank 0 alone leaves anything; `checkpoint` is
    what it goes on from."""

    base: Weights
    lora: Any
    settings: TrainingSettings
    seed: int
    fold: bool
    collator: Callable[[Sequence[Any]], Any]
    rows: Sequence[Any]
    validation: Sequence[Any]
    layout: Layout
    goal: Goal
    folder: Path
    checkpoint: Path | None

    def trainer(self, model: Any, bar: Progress, team: Team | None) -> AnswerTrainer:
        from zoo.training import trainer as t

        validate_every = self.goal.validate_every if self.validation else 0
        arguments = t.arguments(
            self.settings, self.folder / "checkpoints", len(self.layout.batches), validate_every, self.seed
        )
        best = self.folder / "best" if team is None or team.leads else None
        watch = t.Watch(bar, self.layout, best, self.goal.patience, t.seconds_before(self.checkpoint))
        return t.AnswerTrainer(
            model, arguments, self.rows, self.validation, self.layout, self.collator, watch, self.goal.choice_loss,
            self.fold, team,
        )  # fmt: skip

    def run(self, trainer: AnswerTrainer) -> None:
        trainer.train(resume_from_checkpoint=str(self.checkpoint) if self.checkpoint else None)

    def follow(self) -> None:
        """A share of it, for a rank other than 0."""
        from zoo.training.shares import Team
        from zoo.training.trainer import NoNumber

        model = loaded(self.base, self.settings.dtype, self.seed, lora=self.lora)
        team = Team(taking_part(), model)
        silent = Progress("", None, "")
        silent.every_s = math.inf
        try:
            self.run(self.trainer(model, silent, team))
        except NoNumber:
            return  # rank 0 has met it too, and says so
        team.part()


def fit(
    job: Job, base: Weights, model: Any, collator: Callable[[Sequence[Any]], Any], rows: Sequence[Any], validation: Sequence[Any],
    layout: Layout, goal: Goal = Goal(),
) -> Trained:  # fmt: skip
    """Trains `model`, which is `base` whole or with a peft adapter, on `layout`, leaving checkpoints in the step's work
    folder and going on from them; with all processes of a launcher where there is one."""
    from peft import PeftModel

    from zoo.training import trainer as t
    from zoo.training.events import Curves

    best = job.work / "best"
    best.mkdir(exist_ok=True)
    checkpoint = t.last_checkpoint(job.work / "checkpoints")
    lora = model.peft_config[model.active_adapter] if isinstance(model, PeftModel) else None
    fold = lora is not None and job.settings.dtype == "float32" and not job.run.recipe.finetune.dropout
    training = Training(
        base=base, lora=lora, settings=job.settings, seed=job.run.recipe.seed, fold=fold,
        collator=collator, rows=rows, validation=validation, layout=layout, goal=goal, folder=job.work,
        checkpoint=checkpoint,
    )  # fmt: skip
    team = _team(training, model)
    step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
    done = layout.tokens[step - 1] if step else 0
    if checkpoint:
        say(f"  going on from step {step} of {len(layout.batches)}")
    with progress("tokens trained", layout.tokens[-1] - done) as bar:
        trainer = training.trainer(model, bar, team)
        trainer.add_callback(curves := Curves(job.folder, layout, trainer.watch))
        try:
            training.run(trainer)
        finally:
            curves.close()
    if team:
        team.part()
    if trainer.folded:
        # The last step's update, or a whole checkpoint's after which no step was left.
        trainer.folded.refresh()
    history = trainer.state.log_history
    saved = job.work / "last"
    if validation:
        saved = best / f"step-{t.best_step(t.validation_losses(history))}"
    else:
        shutil.rmtree(saved, ignore_errors=True)
        model.save_pretrained(saved)
    watch = trainer.watch
    return Trained(saved, history, watch.seconds, watch.stopped, team.ranks.size if team else 1)


def _team(training: Training, model: Any) -> Team | None:
    """All processes of the launcher, with the others on their way into this training; None for one process."""
    ranks = taking_part()
    if ranks.size == 1:
        return None
    from zoo.training.shares import Team

    send(training)
    return Team(ranks, model)


def adapted_base(job: Job, base: Weights, adapter: Path | None) -> Any:
    """`base` in the step's dtype with an adapter that trains: a new one of finetune's rank, or `adapter` as it is."""
    from peft import LoraConfig

    settings = job.run.recipe.finetune
    lora = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules="all-linear",
        task_type="CAUSAL_LM",
    )  # fmt: skip
    return loaded(base, job.settings.dtype, job.run.recipe.seed, adapter, lora)


def loaded(base: Weights, dtype: str, seed: int, adapter: Path | None = None, lora: Any = None) -> Any:
    """The base in `dtype` on its device, with an adapter that trains: `adapter` as it is, else a new one as `lora` says;
    without either all of the base trains.

    The adapter is in float32 also where the base is in 16 bits, in which most steps' updates would round to nothing.
    """
    import torch
    from peft import PeftModel, get_peft_model

    from zoo.training.merge import load_base

    quiet()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, threads() // taking_part().local))
    torch.manual_seed(seed)
    model = load_base(base, getattr(torch, dtype))
    if adapter:
        adapted = PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
        # The adapter names the base as the Hub does, and peft would ask the Hub for its config at every checkpoint.
        adapted.active_peft_config.base_model_name_or_path = str(base.folder)
        return adapted.to(device())
    # Moved once it is made: a new adapter's numbers are then the same whatever it trains on.
    return (get_peft_model(model, lora) if lora else model).to(device())


def device() -> str:
    """Where a model lies from its first use: on the GPU where CUDA has one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def require_one_mask(model: Any, what: str, cure: str) -> None:
    """Raises ZooError where the model's layers do not all attend to all tokens, which `what` needs."""
    from zoo.attention import attends_to_all

    if not attends_to_all(model.config):
        raise ZooError(f"The layers of this base do not all attend to all tokens, which {what} needs; {cure}.")


def quiet() -> None:
    """The libraries' own bars and notices; what they warn of that matters is checked here."""
    import warnings

    import transformers

    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft|accelerate)\.")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


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
