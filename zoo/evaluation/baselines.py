"""What answers without a model: the most frequent label, the last question of the text, or chance."""

from __future__ import annotations

import re
from collections import Counter

from zoo.api import Question
from zoo.evaluation.metrics import rouge_l
from zoo.evaluation.suites import Suite
from zoo.prompting import offered

_END = re.compile(r"(?<=[.?!])\s+|\n+")


def last_question(text: str) -> str:
    """The last sentence of `text` that ends in a question mark, else its last sentence."""
    sentences: list[str] = [s.strip() for s in _END.split(text) if s.strip(" .?!\n\t")]
    asked = [s for s in sentences if s.endswith("?")]
    return (asked or sentences or [text.strip()])[-1]


def majority(questions: list[Question]) -> str:
    """The most frequent gold answer; of several, the first in the alphabet."""
    counts = Counter(q.gold for q in questions)
    return min(counts, key=lambda gold: (-counts[gold], gold))


def trivial(suite: Suite, questions: list[Question]) -> list[tuple[str, float]]:
    """(prediction, score) for each item; under chance no prediction, and the expected score."""
    if suite.meta.baseline == "majority":
        label = majority(questions)
        return [(label, float(q.gold == label)) for q in questions]
    if suite.meta.baseline == "last_question":
        found = [last_question(q.context or q.question) for q in questions]
        return [(f, rouge_l(q.gold, f)) for f, q in zip(found, questions, strict=True)]
    return [("", 1 / len(offered(q))) for q in questions]
