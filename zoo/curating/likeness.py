"""Whether a training row asks what an item of a suite asks, in other words: by the embeddings of both questions, and by what
an exam asks for, its answer and its options.

Questions of one field that have nothing to do with each other come as close as 0.84 by cosine, and reworded ones fall to 0.63:
the question alone cannot tell (tests/bench/contamination.py measures both). That both want the same answer does, where an
answer says something: yes or a label does not, and long texts about one matter are always alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.alike import telling
from zoo.api import Kind
from zoo.curating.ngrams import words

# Cosines of two questions. Chosen on half of the planted items, and measured on the others.
NEAR, NEARER = 0.65, 0.7
ANSWER = 0.7  # cosine from which two answers in other words are taken for the same
HALF_AN_ANSWER, HALF_THE_OPTIONS = 0.5, 0.5  # which together are as good as an answer
MOST_WORDS = 15  # of an answer that can tell
_TELLING = {"choice", "short", "number"}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SMALL = frozenset(
    "a an the of in on at to for from by with and or as is are was were be it its their his her this that these those no not "
    "which what who whom when where why how should does do did has have had can may must".split()
)


@dataclass(frozen=True)
class Put:
    """What a row or an item asks for."""

    kind: Kind
    choices: Sequence[str]
    answer: str

    @property
    def tells(self) -> bool:
        return self.kind in _TELLING and len(words(self.answer)) <= MOST_WORDS


def content(text: str) -> set[str]:
    """The words that tell what a question is about."""
    return telling(words(text), _SMALL)


def same_answer(a: Put, b: Put) -> bool:
    """Whether both answers tell something and are equal, or all of one, two words or more, stands in the other."""
    if not (a.tells and b.tells):
        return False
    if words(a.answer) == words(b.answer):
        return True
    less, more = sorted((content(a.answer), content(b.answer)), key=len)
    return _numbers(a.answer) == _numbers(b.answer) and len(less) > 1 and less <= more


def comparable(a: Put, b: Put) -> bool:
    """Whether the cosine of the answers says anything: with other numbers it does not."""
    return a.tells and b.tells and _numbers(a.answer) == _numbers(b.answer)


def options_shared(row: Put, item: Put) -> float:
    """The share of the item's options that the row has too."""
    if not item.choices:
        return 0.0
    mine = {tuple(words(c)) for c in row.choices}
    return sum(tuple(words(c)) in mine for c in item.choices) / len(item.choices)


def asks_the_same(row: Put, item: Put, question: float, answer: float, duplicate: float) -> bool:
    """The rule. `question` is the cosine of both questions, `answer` that of both answers, 0 where that says nothing;
    from `duplicate` on the questions are the same by themselves, unless both leave other answers to choose from."""
    same, options = same_answer(row, item), options_shared(row, item)
    if question >= duplicate:
        return same or answer >= HALF_AN_ANSWER or options > 0 or not (row.choices and item.choices)
    if question < NEAR:
        return False
    if same:
        return True
    return question >= NEARER and (answer >= ANSWER or (options >= HALF_THE_OPTIONS and answer >= HALF_AN_ANSWER))


def _numbers(text: str) -> list[str]:
    return sorted(_NUMBER.findall(text.replace(",", "")))
