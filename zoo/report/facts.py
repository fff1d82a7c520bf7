"""What the records of a run's artifacts say, as the page shows it. Only the steps the run has behind it are there."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from markupsafe import Markup

from zoo.api import Rejected
from zoo.artifact import Artifact
from zoo.console import duration, money
from zoo.errors import ZooError
from zoo.gate import GENERAL
from zoo.lastrun import Done, LastRun
from zoo.report import plots, wording

_UNREAD_SHOWN = 10
_PERPLEXITIES = {"perplexity": "held-out documents", "replay_perplexity": "held-out general text"}
_DECISIONS = {
    "passed": ("Released: the gate passed", "good"),
    "overridden": ("Released against the gate's advice", "bad"),
    "refused": ("Not released: the gate refused", "bad"),
}


@dataclass(frozen=True)
class StepOf:
    """A step of the run with what it left."""

    done: Done
    artifact: Artifact

    @property
    def record(self) -> dict[str, Any]:
        return self.artifact.record

    @property
    def result(self) -> dict[str, Any]:
        return self.artifact.result


Steps = dict[str, StepOf]


def load_steps(run: LastRun, folder: Path) -> Steps:
    """By name, in order. Raises ZooError where an artifact is gone."""
    steps = {d.step: StepOf(d, Artifact(folder / d.artifact)) for d in run.steps}
    for name, step in steps.items():
        if not step.artifact.exists:
            raise ZooError(
                f"What {name} left of the last run ({step.artifact.folder}) is gone; `zoo train {run.domain}` makes it anew."
            )
    return steps


@dataclass(frozen=True)
class Verdict:
    """`tone` is good, bad or open. `rule` is what the gate asked for and what it found, `decides` the suite that does."""

    tone: str
    title: str
    reasons: list[str]
    rule: list[str] = field(default_factory=list)
    decides: str = ""
    version: str = ""


def verdict(run: LastRun, steps: Steps) -> Verdict:
    """How the run ended: with what the gate said, or before it."""
    said = run.refused or (steps["release"].result if "release" in steps else None)
    if said:
        title, tone = _DECISIONS[said["gate"]]
        rule = said.get("rule", {})
        return Verdict(tone, title, said["reasons"], _rule(rule, steps), rule.get("suite", ""), said["version"] or "")
    if run.failed:
        return Verdict("bad", f"Failed in {run.failed}", [run.error])
    last = list(steps)[-1] if steps else ""
    after = f"{last} was the last step done" if last else "no step was done"
    if run.ended is None:
        return Verdict("open", "Not finished", [f"{after}; the same command goes on from there"])
    return Verdict("open", f"Done up to {last}", ["nothing was to be released"])


def _rule(rule: dict[str, Any], steps: Steps) -> list[str]:
    """What the gate asks for beside what was measured; nothing where a release was made before it said so."""
    measured = {s["suite"]: s for s in suites_of(steps)}
    out = []
    if (name := rule.get("suite")) in measured:
        low = wording.signed(measured[name]["difference"]["low"])
        out.append(f"on {name} the lower bound of the difference is {low} and has to be above 0")
    if rule and GENERAL in measured:
        low = wording.signed(measured[GENERAL]["versus_zero_shot"]["low"])
        most = wording.signed(-rule["general_margin"])
        out.append(f"on {GENERAL} the lower bound against the base, zero-shot, is {low} and has to be above {most}")
    return out


def headline(run: LastRun, steps: Steps) -> list[tuple[str, str]]:
    """The first facts a reader wants."""
    out = [("Recipe", run.recipe["name"]), ("Base", run.recipe["base"]), ("Seed", str(run.recipe["seed"]))]
    if "annotate" in steps:
        out.append(("Teacher", steps["annotate"].result["teacher"]))
    out.append(("Started", f"{run.started:%Y-%m-%d %H:%M} UTC"))
    if run.ended:
        out.append(("Took", duration((run.ended - run.started).total_seconds())))
    return out


@dataclass(frozen=True)
class Stage:
    """What came into one part of the pipeline and what was kept of it. `outcome` says what the kept became."""

    title: str
    came: int
    kept: int
    rejected: dict[str, int]
    outcome: str
    notes: list[str]

    @property
    def bar(self) -> Markup:
        return plots.share(self.kept, self.came)


def stages(steps: Steps) -> list[Stage]:
    """Documents, examples and training rows: for each, kept + rejected = what came in."""
    out = []
    if "ingest" in steps:
        out.append(_documents(steps["ingest"].result))
    if "annotate" in steps:
        out.append(_examples(steps["annotate"].result))
    if "finetune" in steps:
        out.append(_rows(steps["finetune"]))
    return out


def _documents(result: dict[str, Any]) -> Stage:
    notes = []
    if "coverage" in result:
        read, files = result["coverage"]["read"], result["coverage"]["files"]
        notes.append(f"A sample: {read:,} of the {files:,} files found.")
    if "hidden" in result:
        notes.append(f"{result['hidden']:,} hidden files were passed over.")
    came = result["documents"] + result["rejected"] + result["duplicates"]
    outcome = f"{result['passages']:,} passages"
    return Stage("Documents", came, result["documents"], result["reasons"], outcome, notes)


def _examples(result: dict[str, Any]) -> Stage:
    came = result["kept"] + sum(result["rejected"].values())
    notes = [f"{result['asked']:,} were asked of the teacher; the others came with the domain or its sources."]
    if apart := result.get("contamination"):
        but = f", but not of {', '.join(apart['not_checked'])}" if apart["not_checked"] else ""
        notes.append(f"All that passed were held against {apart['items']:,} items of suites{but}.")
    if "stopped" in result:
        notes.append(f"{result['stopped'][:1].upper()}{result['stopped'][1:]}.")
    if graph := result.get("graph"):
        notes.append(
            f"Knowledge graph: {graph['triples']:,} triples from {graph['passages']:,} passages, {graph['quarantined']:,} quarantined."
        )
    origins = ", ".join(f"{n:,} of origin {origin}" for origin, n in result["by_origin"].items())
    return Stage("Examples", came, result["kept"], result["rejected"], origins, notes)


def _rows(step: StepOf) -> Stage:
    result = step.result
    validation = result["validation"]["rows"]
    kept = result["rows"] + validation
    reasons = Counter(r.reason for r in step.artifact.rows("rejected.jsonl", Rejected))
    outcome = f"{result['seen']:,} that trained the model, {validation:,} that validate"
    notes = ["An example becomes a row for each form in which it is put to the model."]
    if unseen := result["rows"] - result["seen"]:
        notes.append(f"The training, as it is kept, ended before {unseen:,} rows had their turn.")
    if result["truncated"]:
        notes.append(f"{result['truncated']:,} were cut to fit.")
    return Stage("Training rows", kept + reasons.total(), kept, dict(reasons.most_common()), outcome, notes)


def ledger(steps: Steps) -> list[dict[str, Any]]:
    """What went into each stage of annotating and came out of it, of those that had rows; nothing of a run that kept no
    ledger yet."""
    lines = steps["annotate"].result.get("ledger", []) if "annotate" in steps else []
    return [line for line in lines if line["in"]]


def unread(steps: Steps) -> list[Rejected]:
    """The first files that ingest could not use."""
    return (
        list(islice(steps["ingest"].artifact.rows("rejected.jsonl", Rejected), _UNREAD_SHOWN))
        if "ingest" in steps
        else []
    )


def suites_of(steps: Steps) -> list[dict[str, Any]]:
    return list(steps["evaluate"].result["suites"]) if "evaluate" in steps else []


@dataclass(frozen=True)
class Trained:
    """A training: its curve, how many steps of it had no finite loss, and its perplexities by what they were taken on,
    where it took them. `read` says what continued pretraining read, '' of any other training."""

    step: str
    read: str
    plot: Markup
    validated: bool
    loss: dict[str, float] | None
    odd: int
    perplexity: dict[str, dict[str, float]]


def trained(steps: Steps) -> list[Trained]:
    """Every step that left a curve."""
    out = []
    for name, step in steps.items():
        path = step.artifact.path("curve.jsonl")
        if path.is_file():
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            odd = sum(not math.isfinite(r["loss"]) for r in rows if "loss" in r)
            validated = any("validation_loss" in r for r in rows)
            taken = {what: step.result[key] for key, what in _PERPLEXITIES.items() if key in step.result}
            read = wording.pretraining_read(step.result) if name == "pretrain" else ""
            out.append(Trained(name, read, plots.curve(rows), validated, step.result.get("loss"), odd, taken))
    return out


@dataclass(frozen=True)
class Cost:
    """What a step took when it ran, which a later run that skips it does not take again."""

    step: str
    skipped: bool
    seconds: float
    memory_mb: int
    tokens: str
    calls: str
    cost: str


def costs(steps: Steps) -> list[Cost]:
    return [_cost(name, s) for name, s in steps.items()]


def _cost(name: str, step: StepOf) -> Cost:
    result, record = step.result, step.record
    tokens = result.get("tokens", "–")
    if isinstance(tokens, dict):
        tokens = f"{tokens['in']:,} in, {tokens['out']:,} out"
    elif isinstance(tokens, int):
        tokens = f"{tokens:,} trained"
    estimate = result.get("estimate", {})
    calls = "–"
    if "calls" in result:
        expected = f", {estimate['calls']:,} estimated" if estimate else ""
        calls = f"{result['calls']:,} ({result['cached']:,} cached{expected})"
    cost = "–"
    if "cost" in result:
        cost = "not known" if result["cost"] is None else money(result["cost"])
        cost += f" ({money(estimate['cost'])} estimated)" if estimate.get("cost") else ""
    return Cost(name, step.done.skipped, record["seconds"], record["peak_memory_mb"], tokens, calls, cost)


def packages(steps: Steps) -> list[tuple[str, str]]:
    """Version by package; where the steps were run with different ones, each with the steps it holds for."""
    used: dict[str, dict[str, list[str]]] = {}
    for name, step in steps.items():
        for package, version in step.record["packages"].items():
            used.setdefault(package, {}).setdefault(version, []).append(name)
    return [
        (
            package,
            next(iter(found)) if len(found) == 1 else "; ".join(f"{v} ({', '.join(s)})" for v, s in found.items()),
        )
        for package, found in used.items()
    ]
