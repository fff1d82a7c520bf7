"""A suite's outcomes put side by side: means, the strongest baseline, the paired difference, what was predicted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from zoo.api import Question
from zoo.evaluation.contestants import FEW_SHOT, MODEL, TRIVIAL, ZERO_SHOT, Item
from zoo.evaluation.metrics import LABELS
from zoo.evaluation.paired import paired_difference
from zoo.evaluation.suites import Suite
from zoo.prompting import offered
from zoo.settings import EvaluateSettings

_LABELS_SHOWN = 24
NONE = "none"  # what a response gives that gives none of the labels or options
_ALONE = {
    "majority": "always giving the most frequent right answer", "chance": "guessing",
    "last_question": "repeating the last question of the text",
}  # fmt: skip


def summarise(
    suite: Suite,
    questions: list[Question],
    of: int,
    outcomes: dict[str, list[Item]],
    settings: EvaluateSettings,
    seed: int,
) -> dict[str, Any]:
    """The suite's entry in the result. `of` is how many items the suite has; `outcomes` by contestant, paired, of which
    the base's may be missing."""
    scores = {who: [i.score for i in items] for who, items in outcomes.items()}
    means = {who: sum(s) / len(s) for who, s in scores.items()}
    baselines = {who: round(means[who], 6) if who in means else None for who in (ZERO_SHOT, FEW_SHOT, TRIVIAL)}
    strongest = max((who for who in means if who != MODEL), key=lambda who: (means[who], who == TRIVIAL))

    def against(who: str) -> dict[str, float]:
        return paired_difference(scores[MODEL], scores[who], settings.bootstrap, seed).rounded()

    return {
        "suite": suite.id, "version": suite.version, "metric": suite.meta.metric, "n": len(questions), "of": of,
        "baselines": baselines, "baseline": strongest, "trivial": suite.meta.baseline, "model": round(means[MODEL], 6),
        "difference": against(strongest), "versus_zero_shot": against(ZERO_SHOT) if ZERO_SHOT in means else None,
        **_shares(questions, outcomes),
    }  # fmt: skip


def _shares(questions: list[Question], outcomes: dict[str, list[Item]]) -> dict[str, Any]:
    """Who gives which label how often (the position of the option, for choices), so that always saying one shows."""
    kinds = {q.kind for q in questions}
    if kinds <= LABELS:
        gold = [q.gold for q in questions]
        known = {g.casefold(): g for g in gold}
        told = {who: [known.get(i.prediction.casefold(), NONE) for i in items] for who, items in outcomes.items()}
    elif kinds == {"choice"}:
        places = [{o: str(n) for n, o in enumerate(offered(q), 1)} for q in questions]
        gold = [p[q.gold] for p, q in zip(places, questions, strict=True)]
        told = {
            who: [p.get(i.prediction, NONE) for p, i in zip(places, items, strict=True)]
            for who, items in outcomes.items() if who != TRIVIAL
        }  # fmt: skip
    else:
        return {}
    return {"gold": _share(gold), "predicted": {who: _share(labels) for who, labels in told.items()}}


def _share(labels: list[str]) -> dict[str, float]:
    return {label: round(n / len(labels), 4) for label, n in Counter(labels).most_common(_LABELS_SHOWN)}


def table(suites: list[dict[str, Any]]) -> list[str]:
    """The result as lines of text; a suite's labels stand below it where the model leans on one."""
    head = ("suite", "n", "metric", "zero-shot", "few-shot", "trivial", "model", "difference to the strongest, 95%")
    rows = [head]
    for s in suites:
        b, d = s["baselines"], s["difference"]
        cells = [f"{b[w]:.3f}" if b[w] is not None else "-" for w in (ZERO_SHOT, FEW_SHOT, TRIVIAL)]
        gap = f"{d['value']:+.3f} ({d['low']:+.3f} to {d['high']:+.3f}) {s['baseline'].replace('_', '-')}"
        rows.append((s["suite"], str(s["n"]), s["metric"], *cells, f"{s['model']:.3f}", gap))
    widths = [max(len(r[c]) for r in rows) for c in range(len(head))]
    lines = ["  " + "  ".join(cell.ljust(w) for cell, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    return lines + [f"  {s['suite']}: {said}" for s in suites if leans(s) and (said := leaning(s))]


def leans(suite: dict[str, Any]) -> bool:
    """Whether the model says one and the same on more than half of the items."""
    return _most_said(suite)[1] > 0.5


def _most_said(suite: dict[str, Any]) -> tuple[str, float]:
    """The label that the model gives most often (the position of the option, for choices) and on which share of the
    items; none of 0 where answers are not counted."""
    shares: dict[str, float] = suite.get("predicted", {}).get(MODEL, {})
    return next(iter(shares.items()), (NONE, 0.0))


def leaning(suite: dict[str, Any]) -> str:
    """In words what the model says most often, beside how often that is right; empty where answers are not counted."""
    said, share = _most_said(suite)
    if not share:
        return ""
    counted = f"{_ALONE[suite['trivial']]} scores {suite['baselines'][TRIVIAL]:.3f}"
    labels = suite["trivial"] == "majority"
    if said == NONE:
        what = "label" if labels else "option"
        return f"on {share:.1%} of the items the model's answer is no {what}, or more than one, and counts as wrong; {counted}"
    named = repr(said) if labels else f"option {said}"
    return f"the model says {named} on {share:.1%} of the items, and that is right on {suite['gold'].get(said, 0):.1%}; {counted}"
