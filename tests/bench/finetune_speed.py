"""Tokens a second of TRL's SFTTrainer as it comes and of ours, on the same rows, base and adapter.

    python tests/bench/finetune_speed.py --base FOLDER [--rows FILE] [--count 48] [--batch 4]

Rows are PubMedQA-like (about 360 tokens in, a word out) and written here, or read from FILE: JSONL with `prompt` and
`completion`. Padding is not counted as tokens. Both first give the loss of one and the same batch, then see every row
once, in batches of their own making. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from zoo.config import FinetuneSettings
from zoo.console import Progress
from zoo.run import threads
from zoo.training.batches import lay_out
from zoo.training.fit import quiet
from zoo.training.rows import Template, TokenRow
from zoo.training.shared import alone

WORDS = (
    "patients study group treatment were was of the in and with for outcome risk rate during after before compared "
    "months significant difference between children adults surgery clinical trial response blood pressure score mean"
).split()


def written(count: int) -> list[dict[str, str]]:
    """Abstract-like texts of 130 to 480 words, log-normal as PubMedQA's are, with a yes/no/maybe question."""
    rng = random.Random(0)
    rows = []
    for _ in range(count):
        words = " ".join(rng.choices(WORDS, k=int(min(480, max(130, rng.lognormvariate(5.75, 0.3))))))
        question = " ".join(rng.choices(WORDS, k=12))
        rows.append(
            {"prompt": f"{words}.\n\nQuestion: {question}?\n\nAnswer yes, no or maybe.",
             "completion": rng.choice(["yes", "no", "maybe"])}
        )  # fmt: skip
    return rows


def adapted(base: Path, settings: FinetuneSettings) -> Any:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="sdpa")
    lora = LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, lora)


@contextmanager
def timed(trainer: Any) -> Iterator[dict[str, float]]:
    """Seconds, and seconds of processor time, from the first step's begin to the last one's end."""
    from transformers import TrainerCallback

    at: dict[str, float] = {}

    class Clock(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            at.setdefault("first", time.monotonic())
            at.setdefault("first_cpu", time.process_time())

        def on_step_end(self, *_: Any, **__: Any) -> None:
            at["last"] = time.monotonic()
            at["last_cpu"] = time.process_time()

    trainer.add_callback(Clock())
    yield at
    at["seconds"] = at["last"] - at["first"]
    at["cpu"] = at["last_cpu"] - at["first_cpu"]


def trl(base: Path, rows: list[TokenRow], settings: FinetuneSettings, folder: str) -> tuple[dict[str, float], float]:
    from datasets import Dataset
    from transformers import AutoTokenizer, PrinterCallback
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(
        output_dir=folder, per_device_train_batch_size=settings.batch_rows, num_train_epochs=1, report_to="none",
        disable_tqdm=True, save_strategy="no", logging_strategy="no", learning_rate=settings.learning_rate, bf16=False,
    )  # fmt: skip
    data = Dataset.from_list([{"input_ids": list(r.tokens), "labels": r.labels} for r in rows])
    trainer = SFTTrainer(
        model=adapted(base, settings),
        args=config,
        train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(base),
    )
    trainer.remove_callback(PrinterCallback)
    with torch.no_grad():
        batch = trainer.data_collator([data[n] for n in range(settings.batch_rows)])
        loss = float(trainer.compute_loss(trainer.model, batch))
    with timed(trainer) as at:
        trainer.train()
    return at, loss


def ours(base: Path, rows: list[TokenRow], settings: FinetuneSettings, folder: str) -> tuple[dict[str, float], float]:
    from zoo.training.loss import Collator, losses
    from zoo.training.trainer import AnswerTrainer, Watch, arguments

    shared = [alone(r) for r in rows]
    layout = lay_out(
        [len(r) for r in rows],
        epochs=1,
        rows=settings.batch_rows,
        tokens=settings.batch_tokens,
        max_tokens=None,
        seed=0,
    )
    args = arguments(settings, Path(folder), len(layout.batches), 0, 0)
    watch = Watch(Progress("tokens", layout.tokens[-1]), layout, Path(folder), 1, 0.0)
    collator = Collator(0, settings.pass_tokens)
    trainer = AnswerTrainer(adapted(base, settings), args, shared, [], layout, collator, watch, 0.0, fold=True)
    with torch.no_grad():
        found = [losses(trainer.model, part) for part in collator(shared[: settings.batch_rows])]
    with timed(trainer) as at:
        trainer.train()
    return at, float(sum(f.answer for f in found) / sum(f.tokens for f in found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--batch", type=int, default=4)
    given = parser.parse_args()
    from transformers import AutoTokenizer

    quiet()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads())
    settings = FinetuneSettings(batch_rows=given.batch, checkpoint_every=10**6, warmup=0, schedule="constant")
    texts = [json.loads(x) for x in given.rows.read_text().splitlines()] if given.rows else written(given.count)
    template = Template(AutoTokenizer.from_pretrained(given.base), str(given.base))
    rows = []
    for n, text in enumerate(texts[: given.count]):
        tokens, start, whole = template.row(text["prompt"], text["completion"])
        rows.append(TokenRow(str(n), "yes_no_maybe", "direct", tuple(tokens), start, whole))
    total = sum(map(len, rows))
    trained = sum(r.trained for r in rows)
    sys.stdout.write(f"{len(rows)} rows, {total} tokens, {trained} trained, {torch.get_num_threads()} threads\n")
    speeds = {}
    for name, trainer in (("trl", trl), ("zoo", ours)):
        with tempfile.TemporaryDirectory() as folder:
            took, loss = trainer(given.base, rows, settings, folder)
        speeds[name] = total / took["seconds"]
        seconds = f"{took['seconds']:.1f} s, of which {took['cpu']:.1f} s on a core"
        sys.stdout.write(f"{name}: {speeds[name]:.0f} tokens/s ({seconds}), loss of the first batch {loss:.6f}\n")
        sys.stdout.flush()
    sys.stdout.write(f"ratio: {speeds['zoo'] / speeds['trl']:.2f}\n")


if __name__ == "__main__":
    main()
