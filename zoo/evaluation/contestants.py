"""Who is measured: the base without and with shots, and the model; each on the same items, through lm-eval.

A finished (suite, contestant) is written down at once, so that a killed run goes on behind it.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.api import Example, Question
from zoo.artifact import write_atomic
from zoo.evaluation.definition import NATIVE_CHOICE
from zoo.evaluation.metrics import LABELS, prediction_of, score
from zoo.evaluation.suites import Suite, question_of
from zoo.prompting import offered
from zoo.settings import EvaluateSettings

ZERO_SHOT, FEW_SHOT, TRIVIAL, MODEL = "zero_shot", "few_shot", "trivial", "model"


@dataclass(frozen=True)
class Item:
    """One contestant's answer to one item. `response` is the text it wrote or the likeliest option."""

    suite: str
    id: str
    contestant: str
    score: float
    response: str
    prediction: str
    gold: str


@dataclass(frozen=True)
class Outcome:
    """Per-item results in the order of the items, and lm-eval's own results as it gave them."""

    items: list[Item]
    native: dict[str, Any]


def wants_shots(suite: Suite, questions: list[Question], settings: EvaluateSettings, decides: bool) -> bool:
    """Shots lengthen every prompt: by default only where a forward pass or a few tokens answer, and on the suite that
    `decides` on the release, where the model has to be better than the base with them."""
    short = not suite.generates or {q.kind for q in questions} <= LABELS
    return settings.few_shot > 0 and (short or decides or settings.few_shot_generative)


def choose_shots(
    suite: Suite, questions: list[Question], held: list[Question], examples: Iterable[Example], n: int, seed: int
) -> list[Question]:
    """`n` shots, the same for all items: held-out ones, else examples of the suite's source, else of its kind.

    Answers take turns, so that as many different ones are shown as there are shots.
    """
    if held:
        return held[:n]
    asked = {(q.question, q.context) for q in questions}
    kinds = {q.kind for q in questions}
    known = [question_of(e) for e in examples if e.kind in kinds]
    known = [q for q in known if (q.question, q.context) not in asked and (q.context or suite.meta.context == "hidden")]
    pool = [q for q in known if q.source == suite.meta.data] or known
    random.Random(f"{seed} {suite.id}").shuffle(pool)
    turns: dict[str, int] = {}
    ranked = []
    for q in pool:
        turns[q.gold] = turns.get(q.gold, 0) + 1
        ranked.append((turns[q.gold] if q.kind in LABELS else 0, q))
    return [q for _, q in sorted(ranked, key=lambda r: r[0])[:n]]


def measure(
    student: Any, suite: Suite, questions: list[Question], shots: list[Question], who: str, work: Path, max_tokens: int
) -> Outcome:
    """Runs one contestant on one suite through lm-eval. `student` is an lm-eval model."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    import datasets
    from lm_eval import evaluate
    from lm_eval.tasks import TaskManager

    datasets.disable_progress_bars()
    items = suite.write_items(questions, work / f"{suite.id}.jsonl")
    task = TaskManager(include_defaults=False).load([suite.task(items, shots, work, max_tokens)])
    native = evaluate(
        student, task, bootstrap_iters=0, log_samples=True, apply_chat_template=True, fewshot_as_multiturn=True
    )
    assert native is not None
    samples = sorted(native.pop("samples")[suite.id], key=lambda s: s["doc_id"])
    for config in native["configs"].values():
        config.pop("dataset_kwargs", None)  # where this machine keeps its files
    found = [_item(suite, q, s, who) for q, s in zip(questions, samples, strict=True)]
    return Outcome(found, json.loads(json.dumps(native, default=str)))


def _item(suite: Suite, question: Question, sample: dict[str, Any], contestant: str) -> Item:
    metric = suite.meta.metric
    if suite.generates:
        response = str(sample["filtered_resps"][0])
        own = metric not in sample["metrics"]
        points = score(metric, suite.domain, question, response) if own else float(sample[metric])
        prediction = prediction_of(suite.domain, question, response)
    else:
        options = offered(question)
        values = [float(r[0]) for r in sample["filtered_resps"]]
        if metric == "acc_norm":
            values = [v / len(o) for v, o in zip(values, options, strict=True)]
        response = prediction = options[values.index(max(values))]
        assert metric in NATIVE_CHOICE
        points = float(sample[metric])
    return Item(suite.id, question.id, contestant, points, response, prediction, question.gold)


class Journal:
    """Finished outcomes on disk, one file each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, suite: str, contestant: str) -> Path:
        return self.folder / f"{suite}.{contestant}.json"

    def read(self, suite: str, contestant: str) -> Outcome | None:
        path = self._path(suite, contestant)
        if not path.is_file():
            return None
        data = json.loads(path.read_text(encoding="utf-8"))
        return Outcome([Item(**i) for i in data["items"]], data["native"])

    def write(self, suite: str, contestant: str, outcome: Outcome) -> None:
        write_atomic(self._path(suite, contestant), json.dumps(asdict(outcome), ensure_ascii=False))
