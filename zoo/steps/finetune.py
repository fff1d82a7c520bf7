"""finetune: LoRA on the examples, loss on the assistant's turn only; leaves the adapter and the merged model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.api import Example
from zoo.artifact import Artifact, digest_file, write_rows
from zoo.attention import attends_to_all
from zoo.console import say
from zoo.errors import ZooError
from zoo.material import question_sources
from zoo.prompting import assistant_turn, template_path, user_turn
from zoo.run import Job, Run, Step
from zoo.settings import FinetuneSettings
from zoo.training.batches import Layout, lay_out
from zoo.training.fit import Goal, Trained, adapted_base, curve, fit, require_one_mask
from zoo.training.forms import forms, taking_part
from zoo.training.levels import LEVELS, level_of
from zoo.training.rows import Made, Template, TokenRow, make_rows, split, trained_share
from zoo.training.shared import Shared, alone, share
from zoo.weights import Weights

FEWEST_VALIDATION = 8  # rows; a loss over fewer says too little to stop by
TOKENS_PER_SECOND = 260.0  # 135M parameters in float32 on two CPU cores, measured; for the plan only
CHARACTERS_PER_TOKEN = 4.0
TEMPLATE_TOKENS = 30  # what a chat template writes around question and answer; for the plan only


def check(run: Run) -> None:
    """Nothing: the settings' own limits are checked as the recipe is read."""


def identity(run: Run) -> dict[str, Any]:
    return {"base": run.base.digest, "template": digest_file(template_path(run.domain))}


def plan(run: Run, inputs: dict[str, Artifact]) -> dict[str, Any]:
    """Rows, tokens and seconds, estimated from the examples where they exist; before that from the seeds and the
    most that the teacher can add, where that is known."""
    settings = run.recipe.finetune
    speed = f"estimate, at {TOKENS_PER_SECOND:.0f} tokens/s (135M parameters on 2 CPU cores)"
    if "annotate" in inputs:
        rows, tokens = _size(run, inputs["annotate"].rows("examples.jsonl", Example))
        known = {"rows": rows, "note": speed}
    elif run.recipe.annotate.max_calls is None or question_sources(run):
        cap = settings.max_tokens
        note = "known once annotate is done" + ("; the tokens are the recipe's cap" if cap else "")
        return {"rows": None, "tokens": cap, "seconds": None, "note": note}
    else:
        seeds = run.domain.seeds if run.recipe.annotate.seeds else []
        calls = run.recipe.annotate.max_calls
        rows, tokens = _size(run, [_with_passage(s, run.recipe.ingest.passage_tokens) for s in seeds])
        each = tokens / len(seeds) if seeds else settings.max_length * settings.epochs
        tokens += round(calls * each)
        known = {"rows": None, "note": f"if all {len(seeds)} seeds and {calls} calls give a row; {speed}"}
    tokens = min(tokens, settings.max_tokens or tokens)
    return {**known, "tokens": tokens, "seconds": round(tokens / TOKENS_PER_SECOND)}


def _size(run: Run, examples: Iterable[Example]) -> tuple[int, int]:
    """Rows that the examples make, and about how many tokens all epochs over them have."""
    settings = run.recipe.finetune
    rows, characters = 0, 0
    for example in taking_part(examples, settings, run.recipe.seed):
        for form in forms(example, settings, run.recipe.seed):
            user = user_turn(run.domain, example, context=form.context, reasoning=form.reasoning, options=form.options)
            characters += len(user) + len(assistant_turn(example.reasoning if form.reasoning else "", example.answer))
            characters += sum(map(len, example.choices)) if settings.choice_loss else 0
            rows += 1
    return rows, round((characters / CHARACTERS_PER_TOKEN + TEMPLATE_TOKENS * rows) * settings.epochs)


def _with_passage(seed: Example, tokens: int) -> Example:
    """The seed with as much context as a whole passage has, where it cites one."""
    if seed.context or not seed.citations:
        return seed
    return seed.model_copy(update={"context": "word " * round(tokens * CHARACTERS_PER_TOKEN / 5)})


def run(job: Job) -> dict[str, Any]:
    settings: FinetuneSettings = job.settings
    template = load_template(job)
    chosen = chosen_examples(job)
    made = rows_of(job, template, chosen)
    write_rows(job.folder / "rejected.jsonl", made.rejected)
    rows, validation, skipped = held_out(made, settings, job.run.recipe.seed)
    share = trained_share(made.rows)
    show_one(rows, share, template)
    level = {e.id: LEVELS.index(level_of(e)) for e in chosen} if settings.order == "basic_to_complex" else {}
    shared, levels = by_level(job, rows, level)
    layout = laid_out(job, shared, levels)
    reached = len(rows_in(layout.batches, shared))
    of = f" of {len(rows)}" if reached < len(rows) else ""
    saved = sum(map(len, rows)) - sum(map(len, shared))
    once = f" ({saved} fewer an epoch: what questions begin with is read once)" if saved else ""
    counts = f"{reached}{of} rows, {layout.tokens[-1]} tokens{once} in {len(layout.batches)} steps"
    say(f"  training on {counts}; {skipped or f'{len(validation)} rows for validation'}")
    trained = train(job, template, shared, together(job, validation), layout)
    difference = leave_models(job, trained.saved, [*validation, *rows][:3])
    write_rows(job.folder / "curve.jsonl", curve(trained.history, layout))
    seen = rows_in(trained.kept_batches(layout), shared)
    ids = row_ids(rows, validation, seen)
    write_rows(job.folder / "rows.jsonl", ids)
    say(f"  merged; its logits differ from the adapter's by {difference:.1e} at most")
    return {
        **trained.result(layout), "rows": len(rows), "read_once": saved, "seen": len(seen),
        "examples": count_examples(ids, job.inputs["annotate"], len({e.id for e in chosen})),
        "levels": dict(Counter(level_of(e) for e in chosen)), "trained_share": round(share, 4), "truncated": made.truncated,
        "rejected": len(made.rejected), "merge_difference": difference,
        "validation": {"rows": len(validation), **trained.validation(), **({"skipped": skipped} if skipped else {})},
    }  # fmt: skip


def load_template(job: Job) -> Template:
    from transformers import AutoTokenizer, GenerationConfig

    base = job.run.base
    tokenizer = AutoTokenizer.from_pretrained(base.folder, local_files_only=True)
    ends: list[int] = []
    if (base.folder / "generation_config.json").is_file():
        eos = GenerationConfig.from_pretrained(base.folder, local_files_only=True).eos_token_id
        ends = eos if isinstance(eos, list) else [eos]
    return Template(tokenizer, base.name, ends)


def chosen_examples(job: Job) -> list[Example]:
    """Annotate's examples that the settings let train."""
    chosen = taking_part(job.inputs["annotate"].rows("examples.jsonl", Example), job.settings, job.run.recipe.seed)
    if not chosen:
        raise ZooError(
            f"None of annotate's examples is of origin {' or '.join(job.settings.origins)}, so nothing would train; "
            "see finetune.origins."
        )
    return chosen


def rows_of(job: Job, template: Template, examples: list[Example]) -> Made:
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


def show_one(rows: Sequence[TokenRow], share: float, template: Template) -> None:
    from zoo.training.show import CLOSE, OPEN, marked

    row = max(rows, key=lambda r: r.trained / len(r))
    say(f"  {share:.1%} of the tokens train; in this row ({row.example}, {row.form}) those between {OPEN} and {CLOSE}:")
    say("\n".join(f"  | {line}" for line in marked(row, template.tokenizer).splitlines()))


def together(job: Job, rows: Sequence[TokenRow]) -> list[Shared]:
    """Questions about one passage in one row, so that it is read once, where the base can keep them apart."""
    from transformers import AutoConfig

    if not attends_to_all(AutoConfig.from_pretrained(job.run.base.folder, local_files_only=True)):
        return [alone(r) for r in rows]
    return share(rows, job.settings.batch_rows, job.settings.max_length)


def by_level(job: Job, rows: Sequence[TokenRow], level: Mapping[str, int]) -> tuple[list[Shared], list[int]]:
    """The rows as `together` lays them out, and how hard each is; none has examples of two levels. Without levels all are
    laid out as one."""
    if not level:
        return together(job, rows), []
    out: list[Shared] = []
    levels: list[int] = []
    for n in sorted(set(level.values())):
        if of := together(job, [r for r in rows if level[r.example] == n]):
            out, levels = out + of, levels + [n] * len(of)
    return out, levels


def laid_out(job: Job, rows: Sequence[Shared], levels: Sequence[int] = ()) -> Layout:
    settings: FinetuneSettings = job.settings
    return lay_out(
        [len(s) for s in rows], counts=[len(s.rows) for s in rows], epochs=settings.epochs, rows=settings.batch_rows,
        tokens=settings.batch_tokens, max_tokens=settings.max_tokens, seed=job.run.recipe.seed,
        levels=list(levels) or None, rounds=settings.rounds,
    )  # fmt: skip


def rows_in(batches: Iterable[Sequence[int]], shared: Sequence[Shared]) -> set[Any]:
    """The rows that these batches of `shared` hold."""
    return {row for batch in batches for i in batch for row in shared[i].rows}


def train(
    job: Job, template: Template, rows: Sequence[Shared], validation: Sequence[Shared], layout: Layout
) -> Trained:
    """Trains the adapter of pretrain further where there is one, else a new one."""
    from zoo.training.loss import Collator

    settings: FinetuneSettings = job.settings
    before = job.inputs.get("pretrain")
    base = trained_on(job)
    model = adapted_base(job, base, before.path("adapter") if before and base == job.run.base else None)
    if any(not r.plain for r in rows):
        require_one_mask(model, "the choice loss", "set finetune.choice_loss=0")
    collator = Collator(template.tokenizer.pad_token_id or 0, settings.pass_tokens)
    goal = Goal(settings.choice_loss, settings.validate_every, settings.patience)
    return fit(job, base, model, collator, rows, validation, layout, goal)


def trained_on(job: Job) -> Weights:
    """The base that the adapter is of: the recipe's, or what pretrain made of it where all weights trained."""
    before = job.inputs.get("pretrain")
    if before is None or not before.path("model").is_dir():
        return job.run.base
    return replace(job.run.base, folder=before.path("model"), digest=before.content, revision=None, on_hub=False)


def leave_models(job: Job, saved: Path, rows: Sequence[TokenRow]) -> float:
    """Merged weights, and the adapter where others have the base that it is of."""
    from zoo.training.merge import merge, write_adapter

    base = trained_on(job)
    adapter = (job.folder if base == job.run.base else job.work) / "adapter"
    write_adapter(saved, adapter, base)
    return merge(base, adapter, job.folder / "merged", rows)


def row_ids(rows: Sequence[TokenRow], validation: Sequence[TokenRow], seen: set[Any]) -> list[dict[str, Any]]:
    """Which example went in in which form, how long it was, and whether it trained the adapter that is left, validated,
    or did neither: the token budget, or the best step, came before its turn."""
    splits = ["train" if r in seen else "unseen" for r in rows] + ["validation"] * len(validation)
    return [
        {"example": r.example, "kind": r.kind, "form": r.form, "tokens": len(r), "trained": r.trained, "split": split}
        for r, split in zip([*rows, *validation], splits, strict=True)
    ]


def count_examples(rows: Iterable[dict[str, Any]], annotate: Artifact, chosen: int) -> dict[str, int]:
    """What became of annotate's examples: `train` counts those of which at least one row trained, `no_row` those of
    which no form was drawn, or none that fits, `not_chosen` those that the settings left out."""
    of: dict[str, set[str]] = {"train": set(), "validation": set(), "unseen": set()}
    for row in rows:
        of[row["split"]].add(row["example"])
    of["unseen"] -= of["train"]
    counts = {name: len(ids) for name, ids in of.items()}
    kept = len({e.id for e in annotate.rows("examples.jsonl", Example)})
    return {**counts, "no_row": chosen - sum(counts.values()), "not_chosen": kept - chosen}


STEP = Step("finetune", 6, ("annotate", "pretrain"), check, identity, plan, run)
