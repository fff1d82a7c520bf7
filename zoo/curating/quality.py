"""Rows whose solution the quality classifier takes for a wrong one; optional, and off by default."""

from __future__ import annotations

from typing import Any

from zoo.api import Example, Rejected, Verdict
from zoo.console import say
from zoo.curating import Pool, Sieved
from zoo.quality.assessing import Assessed, Classifier, assess
from zoo.quality.pairs import FEWEST, made_wrong, matched
from zoo.quality.solutions import Judged, Solution, judged_of, solution_of
from zoo.run import Job
from zoo.settings import QualitySettings

NAME = CHECK = "quality"
REASON = "low_quality"


def sieve(job: Job, pool: Pool) -> Sieved | None:
    """Rejects the rows that score no more than the threshold, where the classifier may filter at all. What no teacher
    solved (seeds, labels) is not scored and stays."""
    settings: QualitySettings = job.settings.quality
    if settings.method == "none":
        return None
    seed = job.run.recipe.seed
    judged, made = list[Judged](), list[Judged]()
    solutions: dict[int, Solution] = {}
    for candidate in pool.candidates:
        row = pool.row(candidate)
        judged += judged_of(row)
        if found := solution_of(row):
            solutions[candidate.number] = found[0]
        if wrong := made_wrong(row, seed):
            made.append(wrong)
    for refused in pool.refused():
        judged += judged_of(refused)
    pairs = matched(judged, seed)
    if pairs.questions < FEWEST:
        pairs = matched([*judged, *made], seed)
    found_out = assess(_classifier(job, settings), pairs, list(solutions.values()), settings.folds, seed)
    facts = {"method": settings.method, **found_out.facts()}
    if found_out.why_not:
        _say(found_out)
        return Sieved(facts=facts)
    scores = dict(zip(solutions, found_out.scores, strict=True))
    return _sieved(pool, scores, settings.threshold, facts, found_out)


def _classifier(job: Job, settings: QualitySettings) -> Classifier:
    if settings.method == "student":
        from zoo.quality.student import Student
        from zoo.steps.finetune import load_template

        return Student(job, load_template(job))
    from zoo.embedding import load_embedder
    from zoo.quality.embedded import Embedded

    return Embedded(load_embedder(job.run.embedder.folder))


def _sieved(pool: Pool, scores: dict[int, float], threshold: float, facts: dict[str, Any], found: Assessed) -> Sieved:
    rejected: dict[int, Rejected] = {}
    changed: dict[int, Example] = {}
    for candidate in (c for c in pool.candidates if c.number in scores):
        row, score = pool.row(candidate), round(scores[candidate.number], 4)
        if score > threshold:
            verdict = Verdict(check=CHECK, verdict="right", reason=f"{score:+.4f}, more than {threshold:g}")
            changed[candidate.number] = row.model_copy(update={"verdicts": [*row.verdicts, verdict]})
        else:
            whole = row.model_dump(mode="json", exclude={"attempts"})
            detail = {"score": score, "threshold": threshold, "row": whole}
            rejected[candidate.number] = Rejected(reason=REASON, id=row.id, attempts=row.attempts, detail=detail)
    _say(found)
    say(f"  quality: {len(rejected):,} of {len(scores):,} scored rows score {threshold:g} or less and are left out")
    return Sieved(rejected, changed, {**facts, "scored": len(scores), "rejected": len(rejected)})


def _say(found: Assessed) -> None:
    if found.areas:
        areas, pairs = found.areas, found.pairs
        made = f", {pairs.made:,} of their wrong solutions made" if pairs.made else ""
        say(
            f"  quality: AUROC on questions not trained on {areas['classifier']}; by markers alone {areas['markers']}, by length "
            f"alone {areas['length']} ({len(pairs.judged) // 2:,} pairs{made})"
        )
    if found.why_not:
        say(f"  quality: nothing is filtered: {found.why_not}")
