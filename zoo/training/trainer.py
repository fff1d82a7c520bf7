"""The library's trainer with our batches and our loss, and what it shows and keeps on the way."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from zoo.artifact import write_atomic
from zoo.console import Progress
from zoo.errors import ZooError
from zoo.settings import TrainingSettings
from zoo.training.batches import Layout
from zoo.training.folded import Folded
from zoo.training.loss import Batch, losses
from zoo.training.rows import IGNORED
from zoo.training.shares import Team

COMPLETE = "complete.json"  # written last into a checkpoint; one without it was cut off by a kill


class NoNumber(ZooError):
    """The loss is none, in every process of the training."""


class AnswerTrainer(Trainer):  # type: ignore[misc]
    """Trains on a `Layout` of rows. The loss of a step is the mean over its trained tokens, as in TRL's SFTTrainer, and,
    times `choice_weight`, the mean choice loss of its questions.

    In a `team` every process runs one of these over its share of each step's rows; rank 0's alone leaves checkpoints."""

    control: Any

    def __init__(
        self, model: Any, args: TrainingArguments, rows: Sequence[Any], validation: Sequence[Any],
        layout: Layout, collator: Callable[[Sequence[Any]], Batch], callback: Watch, choice_weight: float, fold: bool,
        team: Team | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            model=model, args=args, train_dataset=rows, eval_dataset=validation or None, data_collator=collator,
            callbacks=[callback],
        )  # fmt: skip
        self.remove_callback(PrinterCallback)
        self.layout, self.validation, self.watch = layout, validation, callback
        self.choice_weight, self.team = choice_weight, team
        self.folded = Folded(model) if fold else None

    def get_train_dataloader(self) -> Any:
        batches, rows = self.layout.batches, self.train_dataset
        if self.team:
            batches = [[batch[i] for i in self.team.own([len(rows[n]) for n in batch])] for batch in batches]
        return self.accelerator.prepare(DataLoader(rows, batch_sampler=batches, collate_fn=self.data_collator))

    def training_step(self, model: Any, inputs: Batch, num_items_in_batch: Any = None) -> torch.Tensor:
        """One optimizer step's gradient, summed over its forward passes. Returns the step's loss."""
        model.train()
        if self.folded:
            self.folded.refresh()
        parts: Batch = self._prepare_input(inputs)
        sizes = _sizes(parts)
        if self.team:
            sizes = self.team.totals(*sizes)
        total = torch.zeros((), device=self.args.device)
        for part in parts:
            loss = self.compute_loss(model, part, num_items_in_batch=sizes)
            self.accelerator.backward(loss)
            total += loss.detach()
        if self.team:
            total = self.team.add_up(total)
        if not torch.isfinite(total):
            raise NoNumber(
                f"The loss is {float(total)} at step {self.state.global_step + 1}; lower the learning_rate of the step "
                "or set its dtype to float32."
            )
        return total

    def compute_loss(
        self, model: Any, inputs: dict[str, torch.Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """One forward pass's share of the step's loss; `num_items_in_batch` is (trained tokens, questions) of the step."""
        tokens, questions = _sizes([inputs]) if num_items_in_batch is None else num_items_in_batch
        found = losses(model, inputs)
        return found.answer / tokens + self.choice_weight * found.choice / questions

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The loss of the validation rows, as one step's would be taken."""
        self.model.eval()
        if self.folded:
            self.folded.refresh()
        order = sorted(self.validation, key=len)
        size = self.args.eval_batch_size
        parts = [p for n in range(0, len(order), size) for p in self.data_collator(order[n : n + size])]
        sizes = _sizes(parts)
        if self.team:
            parts = [parts[i] for i in self.team.own([p["labels"].numel() for p in parts])]
        with self.watch.paused(), torch.no_grad():
            total = sum(
                float(self.compute_loss(self.model, self._prepare_input(p), num_items_in_batch=sizes)) for p in parts
            )
        if self.team:
            total = self.team.total(total)
        metrics = {"eval_loss": total}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        # A run that stopped early is resumed from the checkpoint before, and stops at the same step again.
        if self.watch.stopped or (self.team and not self.team.leads):
            return
        super()._save_checkpoint(model, trial)
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        write_atomic(folder / COMPLETE, json.dumps({"seconds": self.watch.seconds}))


def _sizes(parts: Batch) -> tuple[int, ...]:
    """Trained tokens and questions."""
    return sum(int((p["labels"][:, 1:] != IGNORED).sum()) for p in parts), sum(int(p["questions"]) for p in parts)


class Watch(TrainerCallback):  # type: ignore[misc]
    """Shows progress, keeps the adapter with the lowest validation loss (in no folder, nothing), and stops when it no
    longer falls.

    All it decides by is in the trainer's log, which checkpoints carry, so a resumed run decides the same.
    """

    def __init__(self, bar: Progress, layout: Layout, best: Path | None, patience: int, seconds: float) -> None:
        self.bar, self.layout, self.best, self.patience = bar, layout, best, patience
        self.seconds, self.stopped = seconds, False
        self._last, self._shown = time.monotonic(), 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keeps what happens within out of `seconds`, which are those of training alone."""
        began = time.monotonic()
        yield
        self._last += time.monotonic() - began

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._last = time.monotonic()
        self._shown = self.layout.tokens[state.global_step - 1] if state.global_step else 0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        now = time.monotonic()
        self.seconds += now - self._last
        self._last = now

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        if "loss" not in logs:
            return
        tokens = self.layout.tokens[state.global_step - 1]
        self.bar.advance(tokens - self._shown, f"loss {logs['loss']:.3f}")
        self._shown = tokens

    def on_evaluate(self, args: Any, state: Any, control: Any, model: Any, **_: Any) -> None:
        losses = validation_losses(state.log_history)
        step = best_step(losses)
        if self.best and step == state.global_step:
            _save_best(model, self.best / f"step-{step}")
        if sum(s > step for s, _ in losses) >= self.patience:
            self.stopped = control.should_training_stop = True


def _save_best(model: Any, folder: Path) -> None:
    part = folder.with_name("part")
    shutil.rmtree(part, ignore_errors=True)
    model.save_pretrained(part)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    for other in folder.parent.glob("step-*"):
        if other != folder:
            shutil.rmtree(other)


def validation_losses(history: Sequence[dict[str, Any]]) -> list[tuple[int, float]]:
    return [(int(h["step"]), float(h["eval_loss"])) for h in history if "eval_loss" in h]


def best_step(losses: Sequence[tuple[int, float]]) -> int:
    """The first step with the lowest validation loss."""
    return min(losses, key=lambda entry: (entry[1], entry[0]))[0]


def last_checkpoint(folder: Path) -> Path | None:
    """The latest whole checkpoint; those a kill cut off are removed."""
    found: dict[int, Path] = {}
    for path in folder.glob("checkpoint-*"):
        if (path / COMPLETE).is_file():
            found[int(path.name.rpartition("-")[2])] = path
        else:
            shutil.rmtree(path)
    return found[max(found)] if found else None


def seconds_before(checkpoint: Path | None) -> float:
    """How long the run had trained when the checkpoint was written."""
    return float(json.loads((checkpoint / COMPLETE).read_text())["seconds"]) if checkpoint else 0.0


def arguments(
    settings: TrainingSettings, folder: Path, steps: int, validate_every: int, seed: int
) -> TrainingArguments:
    """The library's arguments; `validate_every` steps, or 0 without validation."""
    schedule = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}[settings.schedule]
    made = TrainingArguments(
        output_dir=str(folder), max_steps=steps, seed=seed, learning_rate=settings.learning_rate,
        lr_scheduler_type=schedule, warmup_steps=round(settings.warmup * steps), weight_decay=settings.weight_decay,
        per_device_train_batch_size=1, per_device_eval_batch_size=settings.batch_rows,
        logging_steps=1, logging_nan_inf_filter=False, report_to="none", disable_tqdm=True,
        eval_strategy="steps" if validate_every else "no", eval_steps=validate_every or None,
        save_strategy="steps", save_steps=settings.checkpoint_every, save_total_limit=2,
        remove_unused_columns=False, dataloader_pin_memory=False,
    )  # fmt: skip
    # With several GPUs in sight the library would split every pass among copies of the model, which share neither the
    # output layer's hook nor the folded weights. It pins the count the same way for a model that must not be copied.
    made._n_gpu = min(made.n_gpu, 1)
    return made
