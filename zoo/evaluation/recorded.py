"""What a release says of its own evaluation, and what it comes to when a measurement of today is held against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from zoo.api import Question
from zoo.artifact import Artifact
from zoo.errors import RequestError
from zoo.evaluation.contestants import MODEL, TRIVIAL, Item
from zoo.evaluation.definition import OWN
from zoo.evaluation.metrics import score
from zoo.evaluation.suites import Suite
from zoo.run import Run
from zoo.steps.evaluate import asked_of_all

_ITEM = TypeAdapter(Item)


class _Digests(BaseModel):
    yaml: str
    items: str


class _Identity(BaseModel):
    suites: dict[str, _Digests]
    prompt: str


class _Score(BaseModel):
    suite: str
    items_from: str
    model: float
    difference: dict[str, float]


class _Result(BaseModel):
    suites: list[_Score]


class Recorded(BaseModel):
    """What of the record of a release's evaluate step must be there, whoever wrote it."""

    seed: int
    config: dict[str, Any]
    identity: _Identity
    result: _Result
    packages: dict[str, str]

    @property
    def scores(self) -> dict[str, _Score]:
        return {s.suite: s for s in self.result.suites}


class _Steps(BaseModel):
    evaluate: Recorded


class _Record(BaseModel):
    fingerprint: str


def read_recorded(release: Artifact, reference: str) -> Recorded:
    try:
        _Record.model_validate(release.record)
        return _Steps.model_validate_json(release.path("steps.json").read_bytes()).evaluate
    except (OSError, ValidationError) as e:
        raise RequestError(
            f"{reference} does not say how it was evaluated (its steps.json cannot be read as this zoo's), so it cannot be "
            "measured again; release it anew."
        ) from e


def recorded_items(release: Artifact) -> dict[str, dict[str, list[Item]]]:
    """By suite and contestant, in the order of the release."""
    found: dict[str, dict[str, list[Item]]] = {}
    try:
        with release.path("items.jsonl").open(encoding="utf-8") as f:
            for line in f:
                item = _ITEM.validate_json(line)
                found.setdefault(item.suite, {}).setdefault(item.contestant, []).append(item)
    except (OSError, ValidationError) as e:
        raise RequestError(f"items.jsonl of {release.folder} cannot be read as this zoo's; release it anew.") from e
    return found


def obstacles(
    recorded: Recorded, suite: Suite, run: Run, origin: str, questions: list[Question], then: dict[str, list[Item]]
) -> Iterator[str]:
    """Why what was recorded `then`, by contestant, and what is measured now are not results of one test."""
    if suite.id not in recorded.scores:
        yield "the release was not measured on it"
        return
    here = asked_of_all(run)
    known = recorded.identity.suites.get(suite.id)
    if known is None or known.yaml != here["suites"][suite.id]["yaml"]:
        yield "its definition is another here than it was for the release"
    elif known.items != here["suites"][suite.id]["items"]:
        yield f"its items ({origin}) are not those of the release ({recorded.scores[suite.id].items_from})"
    elif suite.file(run) is None and origin != recorded.scores[suite.id].items_from:
        yield f"its items are of {origin}, those of the release of {recorded.scores[suite.id].items_from}"
    if recorded.identity.prompt != here["prompt"]:
        yield "questions are put in other words here than for the release"
    asked = [(q.id, q.gold) for q in questions]
    if not {MODEL, TRIVIAL} <= then.keys() or any([(i.id, i.gold) for i in items] != asked for items in then.values()):
        yield "its items here are not those that the release has results of"
        return
    if other := _judged_otherwise(suite, questions, then):
        yield f"answers are judged otherwise here: {other} of those in the release would be scored otherwise"


def _judged_otherwise(suite: Suite, questions: list[Question], then: dict[str, list[Item]]) -> int:
    """How many recorded responses have another score under this machine's verifiers. What lm-eval itself scores is of
    its version, which is recorded."""
    metric = suite.meta.metric
    if not suite.generates or metric not in OWN or metric in {m["metric"] for m in suite.config["metric_list"]}:
        return 0
    return sum(
        score(metric, suite.domain, q, item.response) != item.score
        for who, items in then.items() if who != TRIVIAL
        for q, item in zip(questions, items, strict=True)
    )  # fmt: skip


def comparison(recorded: Recorded, suite: str, why_not: str, old: list[Item], new: list[Item]) -> dict[str, Any]:
    """What a suite's entry says about the card: `same` where every item has the score it had, None where it cannot be
    told; how many have another score or another answer."""
    card = recorded.scores.get(suite)
    released = {"model": card.model, "difference": card.difference} if card else None
    if why_not:
        return {"released": released, "same": None, "not_compared": why_not}
    scores = sum(a.score != b.score for a, b in zip(old, new, strict=True))
    answers = sum(a.response != b.response for a, b in zip(old, new, strict=True))
    return {"released": released, "same": scores == 0, "other_scores": scores, "other_answers": answers}


def differing(old: list[Item], new: list[Item]) -> Iterator[dict[str, Any]]:
    """The rows of `differences.jsonl`: each item with another score or answer, as released and as measured here."""
    for a, b in zip(old, new, strict=True):
        if a != b:
            sides = {
                side: {k: getattr(i, k) for k in ("score", "response")} for side, i in (("released", a), ("here", b))
            }
            yield {"suite": a.suite, "id": a.id, "gold": a.gold, **sides}


def verdict(suite: dict[str, Any]) -> str:
    """A suite's entry with its comparison, in words that follow the suite's name."""
    if suite["same"] is None:
        card = f"the card says {suite['released']['model']:.3f}, " if suite["released"] else ""
        return f"{card}not compared: {suite['not_compared']}"
    scores, answers, n = suite["other_scores"], suite["other_answers"], suite["n"]
    if scores:
        return (
            f"{suite['model']:.3f} where the card says {suite['released']['model']:.3f}: {scores} of {n} items are scored "
            "otherwise (differences.jsonl)"
        )
    worded = f"; {answers} answers differ in words (differences.jsonl)" if answers else ""
    return f"as on the card, each of {n} items{worded}"
