"""pretrain: continued pretraining of the base on the passages; leaves the adapter that finetune goes on with, or, where all
weights train, the model that finetune adapts."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from zoo.api import Passage, Rejected
from zoo.artifact import Artifact, digest_file, digest_text, write_atomic, write_rows
from zoo.config import PretrainSettings
from zoo.console import progress, say
from zoo.curating.contamination import without_exam_items
from zoo.errors import RequestError, ZooError
from zoo.library import GENERAL
from zoo.material import identity_of_suites
from zoo.run import Job, Run, Step
from zoo.training.batches import lay_out
from zoo.training.fit import adapted_base, curve, fit, loaded, require_one_mask
from zoo.training.forms import draw

REPLAY = GENERAL.parent / "replay" / "general.jsonl"
TOKENS_PER_SECOND = 200.0  # 135M parameters in float32 on two CPU cores, measured; for the plan only
CHARACTERS_PER_TOKEN = 4.0


def check(run: Run) -> None:
    settings = run.recipe.pretrain
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
    lora = run.recipe.finetune if run.recipe.pretrain.method == "lora" else None
    return {
        "base": run.base.digest, "lora": [lora.rank, lora.alpha, lora.dropout] if lora else None,
        "replay": digest_text(hub.model_dump_json()) if hub else digest_file(REPLAY), "suites": identity_of_suites(run),
    }  # fmt: skip


def plan(run: Run, inputs: dict[str, Artifact]) -> dict[str, Any]:
    """Tokens and seconds, estimated from the passages where they exist."""
    settings = run.recipe.pretrain
    if "ingest" not in inputs:
        return {"tokens": settings.max_tokens, "seconds": None, "note": "known once ingest is done"}
    characters = sum(len(p.text) for p in inputs["ingest"].rows("passages.jsonl", Passage))
    share = (1 - settings.held_out) / (1 - settings.replay.share)
    tokens = round(characters / CHARACTERS_PER_TOKEN * share * settings.epochs)
    tokens = min(tokens, settings.max_tokens or tokens)
    note = f"estimate, at {TOKENS_PER_SECOND:.0f} tokens/s (135M parameters on 2 CPU cores)"
    return {"tokens": tokens, "seconds": round(tokens / TOKENS_PER_SECOND), "note": note}


@dataclass(frozen=True)
class Texts:
    """Texts to train on and texts held out, by id; `rejected` is what is left out of both."""

    train: dict[str, str]
    held_out: dict[str, str]
    rejected: tuple[Rejected, ...] = ()


def split(texts: dict[str, str], share: float, seed: int) -> Texts:
    """Whole texts are held out: `share` of them, at least one. Which ones, their ids and the seed decide."""
    order = sorted(texts, key=lambda i: draw(seed, i, "pretrain"))
    held = set(order[: max(1, round(len(order) * share))])
    return Texts({i: t for i, t in texts.items() if i not in held}, {i: t for i, t in texts.items() if i in held})


def corpus(job: Job) -> Texts:
    """The passages of each document as one text, without those that hold exam items."""
    passages, rejected = without_exam_items(job.run, job.inputs["ingest"].rows("passages.jsonl", Passage))
    groups = groupby(passages, key=lambda p: p.document)
    texts = {document: "\n\n".join(p.text for p in group) for document, group in groups}
    if len(texts) < 2:
        raise ZooError(
            f"Continued pretraining holds whole documents out to measure by, and there is only {len(texts)} with "
            "passages; give it more with --corpus, or take pretrain out of the recipe's steps."
        )
    return replace(split(texts, job.settings.held_out, job.run.recipe.seed), rejected=tuple(rejected))


def replay(job: Job) -> Texts:
    """The general texts, a tenth of them held out to show what is forgotten."""
    settings: PretrainSettings = job.settings
    hub = settings.replay.hub
    if hub is None:
        rows = [json.loads(line) for line in REPLAY.read_text(encoding="utf-8").splitlines()]
        texts = {str(r["id"]): str(r["text"]) for r in rows}
    else:
        from zoo.questions import dataset_cache
        from zoo.tables import hub_rows

        found, origin = hub_rows(hub, hub.split, job.options.offline, dataset_cache(job.run))
        lacking = [r for r in found[:1] if settings.replay.text not in r]
        if lacking:
            raise ZooError(
                f"{origin} has no column {settings.replay.text}, but {', '.join(lacking[0])}; set pretrain.replay.text."
            )
        texts = {str(n): str(r[settings.replay.text]) for n, r in enumerate(found[: settings.replay.max_texts])}
    if len(texts) < 2:
        raise ZooError("The replay has fewer than two texts; name another set in pretrain.replay.hub.")
    return split(texts, 0.1, job.run.recipe.seed)


@dataclass(frozen=True)
class Material:
    """Packed rows to train on, and packed rows of held-out documents and replay to measure perplexity by."""

    rows: list[Any]
    documents: list[Any]
    general: list[Any]
    counts: dict[str, int]


def material(job: Job, tokenizer: Any) -> Material:
    from zoo.training.packing import Piece, pack, pieces_of
    from zoo.training.shared import Shared

    settings: PretrainSettings = job.settings
    length, seed = settings.max_length, job.run.recipe.seed
    own, general = corpus(job), replay(job)

    def cut(texts: dict[str, str]) -> list[Piece]:
        return [piece for text in texts.values() for piece in pieces_of(tokenizer, text, length)]

    def packed(pieces: list[Piece]) -> list[Shared]:
        return [Shared((), row) for row in pack(pieces, length, seed)]

    write_rows(job.folder / "rejected.jsonl", own.rejected)
    if own.rejected:
        say(f"  {len(own.rejected)} passages that hold exam items word for word are left out (rejected.jsonl)")
    pieces = cut(own.train)
    wanted = round(sum(map(len, pieces)) * settings.replay.share / (1 - settings.replay.share))
    taken: list[Piece] = []
    so_far = 0
    for piece in sorted(cut(general.train), key=lambda p: draw(seed, p.tokens, "replay")):
        if so_far >= wanted:
            break
        taken.append(piece)
        so_far += len(piece)
    counts = {
        "documents": len(own.train), "held_out": len(own.held_out), "corpus_tokens": sum(map(len, pieces)),
        "replay_tokens": so_far, "rejected": len(own.rejected),
    }  # fmt: skip
    return Material(packed([*pieces, *taken]), packed(cut(own.held_out)), packed(cut(general.held_out)), counts)


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
    for name, what in (("perplexity", "held-out documents"), ("replay_perplexity", "held-out general text")):
        say(f"  perplexity of {what}: {before[name]:.2f} before, {after[name]:.2f} after")
    result = trained.result(layout)
    write_measured(job.folder, {0: before, result["steps"]: after})
    total = sum(found.counts[n] for n in ("corpus_tokens", "replay_tokens")) or 1
    return {
        **result, **found.counts, "coverage": round(min(1.0, layout.tokens[-1] / total), 4),
        **{name: {"before": before[name], "after": after[name]} for name in before},
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


STEP = Step("pretrain", 4, ("ingest",), check, identity, plan, run)
