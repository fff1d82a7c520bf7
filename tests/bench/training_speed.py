"""Tokens a second of training, on the same rows, base and adapter in one run: TRL's SFTTrainer as it comes, the same at its
best settings, ours, and the limit, which is the time of the matrix products alone.

    python tests/bench/training_speed.py --base FOLDER [--rows FILE] [--count 48] [--batch 4]
    python tests/bench/training_speed.py --base FOLDER --pretrain FILE

Rows are PubMedQA-like (about 360 tokens in, a word out) and written here, or read from FILE: JSONL with `prompt` and
`completion`. Padding is not counted as tokens. All first give the loss of one and the same batch, then see every row
once, in batches of their own making. With `--pretrain`, the texts of FILE (JSONL with `text`) are packed as `zoo pretrain`
packs them, and ours stands beside the limit. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from zoo.console import Progress
from zoo.run import threads
from zoo.settings import FinetuneSettings, PretrainSettings, TrainingSettings
from zoo.training.batches import Layout, lay_out
from zoo.training.fit import quiet
from zoo.training.loss import Collator, losses
from zoo.training.packing import pack, pieces_of
from zoo.training.rows import IGNORED, Template, TokenRow
from zoo.training.shared import Shared, alone
from zoo.training.trainer import AnswerTrainer, Watch, arguments

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


LORA = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")


def adapted(base: Path) -> Any:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="sdpa")
    return get_peft_model(model, copy.deepcopy(LORA))


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


def trl(
    base: Path, rows: list[TokenRow], settings: FinetuneSettings, folder: str, **best: Any
) -> tuple[dict[str, float], float]:
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(
        output_dir=folder, per_device_train_batch_size=settings.batch_rows, num_train_epochs=1, report_to="none",
        disable_tqdm=True, save_strategy="no", logging_strategy="no", learning_rate=settings.learning_rate, bf16=False,
        **best,
    )  # fmt: skip
    data = Dataset.from_list([{"input_ids": list(r.tokens), "labels": r.labels} for r in rows])
    trainer = SFTTrainer(
        model=adapted(base),
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


def trl_best(
    base: Path, rows: list[TokenRow], settings: FinetuneSettings, folder: str
) -> tuple[dict[str, float], float]:
    """Nothing recomputed in the backward pass, rows of like length together, the fused optimizer."""
    return trl(
        base, rows, settings, folder, gradient_checkpointing=False, train_sampling_strategy="group_by_length",
        optim="adamw_torch_fused",
    )  # fmt: skip


def ours(base: Path, rows: Sequence[Shared], settings: TrainingSettings, folder: str) -> tuple[dict[str, float], float]:
    layout = lay(rows, settings)
    args = arguments(settings, Path(folder), len(layout.batches), 0, 0)
    watch = Watch(Progress("tokens", layout.tokens[-1], "tokens"), layout, Path(folder), 1, 0.0)
    collator = Collator(0, settings.pass_tokens)
    trainer = AnswerTrainer(adapted(base), args, rows, [], layout, collator, watch, 0.0, fold=True)
    with torch.no_grad():
        found = [losses(trainer.model, part) for part in collator(rows[: settings.batch_rows])]
    with timed(trainer) as at:
        trainer.train()
    return at, float(sum(f.answer for f in found) / sum(f.tokens for f in found))


def lay(rows: Sequence[Shared], settings: TrainingSettings) -> Layout:
    return lay_out(
        [len(r) for r in rows], epochs=1, rows=settings.batch_rows, tokens=settings.batch_tokens, max_tokens=None, seed=0
    )  # fmt: skip


def limit(base: Path, rows: Sequence[Shared], settings: TrainingSettings) -> float:
    """Seconds of our forward passes' matrix products alone: each adapted layer's with its weight, forward and backward, the
    output layer's where a loss is taken, and the adapter's own gradients. No attention, norm, activation, loss or optimizer.
    """
    model = adapted(base)
    layers = [m for m in model.modules() if hasattr(m, "lora_A")]
    weights = [layer.get_base_layer().weight.detach() for layer in layers]
    head = model.get_output_embeddings().weight.detach()
    collator, seconds = Collator(0, settings.pass_tokens), 0.0
    with torch.no_grad():
        for batch in lay(rows, settings).batches:
            for part in collator([rows[i] for i in batch]):
                tokens, trained = part["input_ids"].numel(), int((part["labels"][:, 1:] != IGNORED).sum())
                seconds += products(weights, tokens, LORA.r) + products([head], trained, 0)
    return seconds


def products(weights: Sequence[torch.Tensor], tokens: int, rank: int) -> float:
    sizes = {size for w in weights for size in w.shape}
    x = {size: torch.ones(tokens, size) for size in sizes}
    out = {size: torch.empty(tokens, size) for size in sizes}
    low = {size: torch.ones(size, rank) for size in sizes}
    began = time.perf_counter()
    for w in weights:
        wide, narrow = w.shape
        torch.mm(x[narrow], w.T, out=out[wide])
        torch.mm(x[wide], w, out=out[narrow])
        if rank:
            (x[wide] @ low[wide]).T @ x[narrow]
            x[wide].T @ (x[narrow] @ low[narrow])
    return time.perf_counter() - began


def compare(contestants: dict[str, Callable[[str], tuple[dict[str, float], float]]], total: int, least: float) -> None:
    """Prints every contestant's speed and its share of the limit, at which `total` tokens take `least` seconds."""
    for name, train in contestants.items():
        with tempfile.TemporaryDirectory() as folder:
            took, loss = train(folder)
        said = f"{took['seconds']:.1f} s, of which {took['cpu']:.1f} s on a core"
        share = least / took["seconds"]
        sys.stdout.write(
            f"{name}: {total / took['seconds']:.0f} tokens/s, {share:.0%} of the limit ({said}), first loss {loss:.6f}\n"
        )
        sys.stdout.flush()


def finetune(given: argparse.Namespace) -> None:
    settings = FinetuneSettings(batch_rows=given.batch, checkpoint_every=10**6, warmup=0, schedule="constant")
    texts = [json.loads(x) for x in given.rows.read_text().splitlines()] if given.rows else written(given.count)
    template = Template(AutoTokenizer.from_pretrained(given.base), str(given.base))
    rows = []
    for n, text in enumerate(texts[: given.count]):
        tokens, start, whole = template.row(text["prompt"], text["completion"])
        rows.append(TokenRow(str(n), "yes_no_maybe", "direct", tuple(tokens), start, whole))
    shared, total = [alone(r) for r in rows], sum(map(len, rows))
    trained = sum(r.trained for r in rows)
    sys.stdout.write(f"{len(rows)} rows, {total} tokens, {trained} trained, {torch.get_num_threads()} threads\n")
    least = limit(given.base, shared, settings)
    sys.stdout.write(f"limit: {total / least:.0f} tokens/s ({least:.1f} s)\n")
    compare(
        {
            "TRL": lambda folder: trl(given.base, rows, settings, folder),
            "TRL at its best": lambda folder: trl_best(given.base, rows, settings, folder),
            "zoo": lambda folder: ours(given.base, shared, settings, folder),
        },
        total, least,
    )  # fmt: skip


def pretrain(given: argparse.Namespace) -> None:
    settings = PretrainSettings(checkpoint_every=10**6, warmup=0, schedule="constant")
    tokenizer = AutoTokenizer.from_pretrained(given.base)
    texts = [json.loads(x)["text"] for x in given.pretrain.read_text().splitlines()][: given.count]
    pieces = [p for text in texts for p in pieces_of(tokenizer, text, settings.max_length)]
    rows = [Shared((), row) for row in pack(pieces, settings.max_length, 0)]
    total = sum(map(len, rows))
    sys.stdout.write(
        f"{len(rows)} packed rows of {len(pieces)} texts, {total} tokens, {torch.get_num_threads()} threads\n"
    )
    least = limit(given.base, rows, settings)
    sys.stdout.write(f"limit: {total / least:.0f} tokens/s ({least:.1f} s)\n")
    compare({"zoo": lambda folder: ours(given.base, rows, settings, folder)}, total, least)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--pretrain", type=Path)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--batch", type=int, default=4)
    given = parser.parse_args()
    quiet()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads())
    (pretrain if given.pretrain else finetune)(given)


if __name__ == "__main__":
    main()
