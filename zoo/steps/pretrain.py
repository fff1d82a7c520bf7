"""pretrain: continued pretraining of the base on the passages, as they are or as reading texts; leaves the adapter that
finetune goes on with, or, where all weights train, the model that finetune adapts."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from itertools import groupby, islice
from typing import Any

from zoo.annotating import code_digest, load_reader
from zoo.api import Passage
from zoo.artifact import Artifact, digest_file, digest_text, write_atomic, write_rows
from zoo.console import progress, say
from zoo.errors import RequestError
from zoo.material import identity_of_suites
from zoo.run import Job, Run, Step
from zoo.settings import PretrainSettings
from zoo.training.batches import lay_out
from zoo.training.fit import adapted_base, curve, fit, loaded, require_one_mask
from zoo.training.material import REPLAY, Material, material
from zoo.training.texts import Text

TOKENS_PER_SECOND = 200.0  # 135M parameters in float32 on two CPU cores, measured; for the plan only
CHARACTERS_PER_TOKEN = 4.0
_SAMPLE = 500  # passages, of which a plan takes how much their tasks add


def check(run: Run) -> None:
    settings = run.recipe.pretrain
    if settings.text == "reading_comprehension":
        if "pretraining" not in run.domain.config.annotators:
            raise RequestError(
                f"The domain {run.domain.name} names no annotator for pretraining, which makes reading texts; name one under "
                "annotators in its domain.yaml, or set pretrain.text=passages."
            )
        load_reader(run.domain.config.annotators["pretraining"])
    elif run.recipe.annotate.reading.passages:
        raise RequestError(
            "The teacher would be asked for reading tasks (annotate.reading.passages) that pretrain does not read; set "
            "pretrain.text=reading_comprehension, or annotate.reading.passages=0."
        )
    if settings.method == "full":
        if settings.dtype != "float32":
            raise RequestError(
                f"With pretrain.method=full all weights train, and in {settings.dtype} most of a step's changes would be "
                "rounded away; set pretrain.dtype=float32, or pretrain.method=lora."
            )
    elif run.recipe.finetune.dtype != settings.dtype:
        raise RequestError(
            f"The recipe {run.recipe.name} pretrains in {run.recipe.pretrain.dtype} and fine-tunes the same adapter in "
            f"{run.recipe.finetune.dtype}; set pretrain.dtype and finetune.dtype alike."
        )


def identity(run: Run) -> dict[str, Any]:
    hub = run.recipe.pretrain.replay.hub
    reads: dict[str, Any] = {}
    if run.recipe.pretrain.text == "reading_comprehension":
        name = run.domain.config.annotators["pretraining"]
        reads = {"reader": [name, code_digest(name)]}
    lora = run.recipe.finetune if run.recipe.pretrain.method == "lora" else None
    return {
        "base": run.base.digest, "lora": [lora.rank, lora.alpha, lora.dropout] if lora else None,
        "replay": digest_text(hub.model_dump_json()) if hub else digest_file(REPLAY), "suites": identity_of_suites(run),
        **reads,
    }  # fmt: skip


def needs_for(run: Run) -> tuple[str, ...]:
    """annotate, where a teacher was asked for tasks to read."""
    return ("annotate",) if run.recipe.annotate.reading.passages else ()


def plan(run: Run, inputs: dict[str, Artifact]) -> dict[str, Any]:
    """Tokens and seconds, estimated from the passages where they exist."""
    settings = run.recipe.pretrain
    if "ingest" not in inputs:
        return {"tokens": settings.max_tokens, "seconds": None, "note": "known once ingest is done"}
    characters = sum(len(p.text) for p in inputs["ingest"].rows("passages.jsonl", Passage)) * _growth(
        run, inputs["ingest"]
    )
    share = (1 - settings.held_out) / (1 - settings.replay.share)
    tokens = round(characters / CHARACTERS_PER_TOKEN * share * settings.epochs)
    tokens = min(tokens, settings.max_tokens or tokens)
    note = f"estimate, at {TOKENS_PER_SECOND:.0f} tokens/s (135M parameters on 2 CPU cores)"
    return {"tokens": tokens, "seconds": round(tokens / TOKENS_PER_SECOND), "note": note}


def _growth(run: Run, ingest: Artifact) -> float:
    """How much longer a text is with its tasks, by the first passages."""
    if run.recipe.pretrain.text == "passages":
        return 1.0
    reader = load_reader(run.domain.config.annotators["pretraining"])
    passages = list(islice(ingest.rows("passages.jsonl", Passage), _SAMPLE))
    mined = [m for _, group in groupby(passages, key=lambda p: p.document) for m in reader.mine(list(group)).values()]
    added = sum(len(reader.as_text(t)) for m in mined for t in m.tasks)
    return 1 + added / max(1, sum(len(p.text) for p in passages))


def perplexity(model: Any, packs: Sequence[Any], collator: Any, of: str) -> float:
    """exp of the mean cross entropy (nats) per predicted token."""
    import torch

    from zoo.training.loss import losses

    model.eval()
    total, count = 0.0, 0
    order = sorted(packs, key=len)
    with progress(f"perplexity of {of}", len(order), "rows") as bar, torch.no_grad():
        for n in range(0, len(order), 8):
            for part in collator(order[n : n + 8]):
                found = losses(model, {k: v.to(model.device) for k, v in part.items()})
                total, count = total + float(found.answer), count + found.tokens
            bar.advance(len(order[n : n + 8]))
    return math.exp(total / count)


def run(job: Job) -> dict[str, Any]:
    from transformers import AutoTokenizer

    from zoo.training.events import write_measured
    from zoo.training.loss import Collator
    from zoo.training.merge import write_adapter, write_model

    settings: PretrainSettings = job.settings
    base, seed = job.run.base, job.run.recipe.seed
    tokenizer = AutoTokenizer.from_pretrained(base.folder, local_files_only=True)
    found = material(job, tokenizer)
    collator = Collator(tokenizer.pad_token_id or 0, settings.pass_tokens)
    layout = lay_out(
        [len(r) for r in found.rows], epochs=settings.epochs, rows=settings.batch_rows, tokens=settings.batch_tokens,
        max_tokens=settings.max_tokens, seed=seed,
    )  # fmt: skip
    whole = settings.method == "full"
    model = loaded(base, settings.dtype, seed) if whole else adapted_base(job, base, None)
    if any(not r.plain for r in (*found.rows, *found.documents, *found.general)):
        require_one_mask(model, "packing several texts in a row", "take pretrain out of the recipe's steps")
    before = _once(job, "before", model, found, collator)
    say(f"  training on {len(found.rows)} rows, {layout.tokens[-1]} tokens in {len(layout.batches)} steps")
    trained = fit(job, base, model, collator, found.rows, [], layout)
    after = _once(job, "after", model, found, collator)
    if whole:
        write_model(trained.saved, job.folder / "model", base)
    else:
        write_adapter(trained.saved, job.folder / "adapter", base)
    write_rows(job.folder / "curve.jsonl", curve(trained.history, layout))
    seen = Counter[str]()
    for piece in (p for batch in trained.kept_batches(layout) for row in batch for p in found.rows[row].rows):
        seen[piece.of] += len(piece.tokens)
    write_rows(job.folder / "texts.jsonl", (_lineage(text, tokens, seen[text.id]) for text, tokens in found.texts))
    write_rows(job.folder / "rejected.jsonl", found.rejected)
    for name, what in (("perplexity", "held-out documents"), ("replay_perplexity", "held-out general text")):
        say(f"  perplexity of {what}: {before[name]:.2f} before, {after[name]:.2f} after")
    result = trained.result(layout)
    write_measured(job.folder, {0: before, result["steps"]: after})
    total = sum(found.counts[n] for n in ("corpus_tokens", "replay_tokens")) or 1
    return {
        **result, **found.counts, **_read(settings, found), "coverage": round(min(1.0, layout.tokens[-1] / total), 4),
        **{name: {"before": before[name], "after": after[name]} for name in before},
    }  # fmt: skip


def _read(settings: PretrainSettings, found: Material) -> dict[str, Any]:
    """What was read of the documents: which kind of text, its tasks by kind, how many of them a teacher's, and what was left
    out by reason."""
    tasks = Counter[str](kind for text, _ in found.texts for kind, n in text.tasks.items() for _ in range(n))
    rejected = Counter(r.reason for r in found.rejected)
    return {
        "text": settings.text, "tasks": dict(sorted(tasks.items())), "taught": sum(t.taught for t, _ in found.texts),
        "rejected": dict(sorted(rejected.items())),
    }  # fmt: skip


def _lineage(text: Text, tokens: int, seen: int) -> dict[str, Any]:
    """A text's line of `texts.jsonl`: `seen` counts its tokens in the steps that were taken, over all epochs."""
    return {
        "id": text.id, "document": text.document, "passages": text.passages, "tasks": text.tasks, "tokens": tokens,
        "seen": seen,
    }  # fmt: skip


def _once(job: Job, when: str, model: Any, found: Material, collator: Any) -> dict[str, float]:
    """The perplexities before training or after it, measured once and kept over a kill."""
    path = job.work / f"{when}.json"
    if not path.is_file():
        write_atomic(path, json.dumps(_measured(model, found, collator)))
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _measured(model: Any, found: Material, collator: Any) -> dict[str, float]:
    return {
        "perplexity": perplexity(model, found.documents, collator, "held-out documents"),
        "replay_perplexity": perplexity(model, found.general, collator, "held-out general text"),
    }


STEP = Step("pretrain", 5, ("ingest",), check, identity, plan, run, needs_for=needs_for)
