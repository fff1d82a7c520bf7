"""Whether filtering by the quality classifier makes a better model: arms of equally many rows, each trained and measured.

OpenThoughts3 (arXiv 2506.04178) found no filter of answers that beat keeping them all, so that a filter has to be compared
with as many rows that nobody chose. Two arms are not chosen, and what they differ by is what another draw comes to.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from zoo.api import Example, Rejected
from zoo.artifact import Artifact, pretty, write_atomic, write_rows
from zoo.console import say
from zoo.curating.quality import CHECK, NAME, REASON
from zoo.errors import RequestError
from zoo.evaluation.contestants import MODEL, TRIVIAL, Item, Outcome
from zoo.evaluation.paired import paired_difference
from zoo.run import Job, Run, Step, load_step, run_step
from zoo.settings import Recipe
from zoo.steps import evaluate, finetune
from zoo.training.forms import draw
from zoo.training.rows import make_rows

ARMS = ("filtered", "unfiltered", "random")
COMPARED = (("filtered", "unfiltered"), ("filtered", "random"), ("unfiltered", "random"))
FILE = "ablation.json"


def check(run: Run) -> None:
    """Refuses, before any work, an ablation of no classifier, or by a recipe that trains or measures nothing."""
    if run.recipe.annotate.quality.method == "none":
        raise RequestError(
            "There is no filter to compare with none: annotate.quality.method is none; add "
            "--set annotate.quality.method=embedding, or student."
        )
    for needed in ("finetune", "evaluate"):
        if needed not in run.recipe.steps:
            raise RequestError(
                f"--ablate trains and measures every arm, and the recipe {run.recipe.name} has no {needed}."
            )


def ablate(run: Run) -> dict[str, Any]:
    """Annotates once, trains and measures every arm, and compares their models item by item; what is printed. What is done
    already is not done again."""
    done: dict[str, Artifact] = {}
    for name in ("ingest", "annotate"):
        done[name], _ = run_step(run, load_step(name), done)
    found = done["annotate"].result[NAME]
    if why := _nothing_to_compare(found):
        say(f"  ablation: nothing is compared: {why}")
        return {"stopped": why, "quality": found, "artifact": str(done["annotate"].folder)}
    if "pretrain" in run.recipe.steps:
        done["pretrain"], _ = run_step(run, load_step("pretrain"), done)
    arms: dict[str, Artifact] = {}
    for name in ARMS:
        arms[name], _ = run_step(run, _arm(name), {"annotate": done["annotate"]})
    alike = replace(run, recipe=_equal(run, done, arms))
    trained: dict[str, Artifact] = {}
    measured: dict[str, Artifact] = {}
    for name in ARMS:
        say(f"ablation: {name}")
        given = {**done, "annotate": arms[name]}
        trained[name], _ = run_step(alike, load_step("finetune"), given)
        measured[name], _ = run_step(alike, _model_alone(), {**given, "finetune": trained[name]})
    sizes = {name: _size(arms[name].result, trained[name].result) for name in ARMS}
    result = {"arms": sizes, "quality": found, "suites": _compared(measured, run.recipe)}
    place = run.workspace.root / run.domain.name / FILE
    write_atomic(place, pretty(result))
    _say(result)
    return {**result, "files": {"ablation": str(place)}, "artifact": str(done["annotate"].folder)}


def _size(arm: dict[str, Any], trained: dict[str, Any]) -> dict[str, int]:
    return {"examples": arm["kept"], "rows": trained["rows"], "tokens": trained["tokens"]}


def _nothing_to_compare(found: dict[str, Any]) -> str:
    if not found["filtered"]:
        return f"the classifier filters nothing, since {found['why']}"
    return "" if found["rejected"] else "the classifier leaves out no row, so all arms would be the same"


def _arm(name: str) -> Step:
    """Annotate's rows as an arm has them, as an artifact of its own in annotate's place."""
    return Step(
        name="annotate", version=1, needs=("annotate",), check=lambda run: None, identity=lambda run: {"arm": name},
        plan=lambda run, inputs: {}, run=lambda job: _leave_arm(job, name),
    )  # fmt: skip


def _leave_arm(job: Job, name: str) -> dict[str, Any]:
    annotate = job.inputs["annotate"]
    kept = list(annotate.rows("examples.jsonl", Example))
    refused = annotate.rows("rejected.jsonl", Rejected)
    dropped = [Example.model_validate(r.detail["row"]) for r in refused if r.reason == REASON]
    rows = rows_of_arm(name, kept, dropped, job.run.recipe.seed)
    write_rows(job.folder / "examples.jsonl", rows)
    return {"arm": name, "kept": len(rows), "of": len(kept) + len(dropped)}


def rows_of_arm(name: str, kept: Sequence[Example], dropped: Sequence[Example], seed: int) -> list[Example]:
    """As many rows as the classifier kept. `filtered`: those; `unfiltered`: the first of all rows in a random order;
    `random`: all that were not scored, and of the scored ones as many dropped as the classifier did, at random."""

    def drawn(rows: Sequence[Example], what: str) -> list[Example]:
        return sorted(rows, key=lambda e: (draw(seed, e.id, what), e.id))

    rows = list(kept)
    if name == "unfiltered":
        rows = drawn([*kept, *dropped], name)[: len(kept)]
    elif name == "random":
        scored = [e for e in kept if any(v.check == CHECK for v in e.verdicts)]
        others = [e for e in kept if all(v.check != CHECK for v in e.verdicts)]
        rows = others + drawn([*scored, *dropped], name)[: len(scored)]
    return drawn(rows, "order")  # what was dropped would else come last


def _equal(run: Run, done: dict[str, Artifact], arms: dict[str, Artifact]) -> Recipe:
    """The recipe with a budget of tokens that every arm's rows fill to within a batch; the base is not asked, so it needs no
    shots."""
    step = load_step("finetune")
    most: list[int] = []
    for arm in arms.values():
        job = Job(run, step, {**done, "annotate": arm}, arm.folder)
        template, settings, seed = finetune.load_template(job), run.recipe.finetune, run.recipe.seed
        made = make_rows(run.domain, template, arm.rows("examples.jsonl", Example), settings, seed)
        rows, _, _ = finetune.held_out(made, settings, seed)
        most.append(finetune.laid_out(job, finetune.together(job, rows)).tokens[-1])
    tuned = run.recipe.finetune.model_copy(update={"max_tokens": min(most)})
    return run.recipe.model_copy(
        update={"finetune": tuned, "evaluate": run.recipe.evaluate.model_copy(update={"few_shot": 0})}
    )


def _model_alone() -> Step:
    def identity(run: Run) -> dict[str, Any]:
        return {**evaluate.asked_of_all(run), "contestants": [TRIVIAL, MODEL]}

    return replace(evaluate.STEP, identity=identity, run=_measure)


def _measure(job: Job) -> dict[str, Any]:
    table = evaluate.Table(job, (), (MODEL,))
    table.measure(job.inputs["finetune"].path("merged"), (MODEL,))
    outcomes: dict[str, dict[str, Outcome]] = {}
    for suite in table.suites:
        model = table.measured(suite, MODEL)
        assert model is not None
        outcomes[suite.id] = {TRIVIAL: table.trivial(suite), MODEL: model}
    return {"suites": table.leave(outcomes), "items": "items.jsonl"}


def _compared(measured: dict[str, Artifact], recipe: Recipe) -> list[dict[str, Any]]:
    """By suite every arm's mean, and their paired differences with 95% intervals."""
    scores = {name: _scores(artifact) for name, artifact in measured.items()}
    out = []
    for suite, items in scores[ARMS[0]].items():
        paired = {name: [of[suite][i] for i in items] for name, of in scores.items()}
        differences = [
            {
                "of": a,
                "to": b,
                **paired_difference(paired[a], paired[b], recipe.evaluate.bootstrap, recipe.seed).rounded(),
            }
            for a, b in COMPARED
        ]
        means = {name: round(sum(s) / len(s), 6) for name, s in paired.items()}
        out.append({"suite": suite, "n": len(items), "arms": means, "differences": differences})
    return out


def _scores(measured: Artifact) -> dict[str, dict[str, float]]:
    """The model's score by suite and item."""
    out: dict[str, dict[str, float]] = {}
    for line in measured.path("items.jsonl").read_text(encoding="utf-8").splitlines():
        item = Item(**json.loads(line))
        if item.contestant == MODEL:
            out.setdefault(item.suite, {})[item.id] = item.score
    return out


def _say(result: dict[str, Any]) -> None:
    for name, size in result["arms"].items():
        say(f"  {name}: {size['examples']:,} examples, {size['rows']:,} rows, {size['tokens']:,} tokens trained")
    for suite in result["suites"]:
        means = ", ".join(f"{name} {mean:.3f}" for name, mean in suite["arms"].items())
        say(f"  {suite['suite']} ({suite['n']} items): {means}")
        for d in suite["differences"]:
            say(f"    {d['of']} - {d['to']}: {d['value']:+.3f} ({d['low']:+.3f} to {d['high']:+.3f})")
