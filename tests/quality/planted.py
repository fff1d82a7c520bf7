"""Rows with attempts whose right and wrong solutions differ by what a test plants in them."""

from __future__ import annotations

import random
from collections.abc import Callable

from zoo.api import Attempt, Example, Rejected, Verdict

Say = Callable[[int, bool, random.Random], str]
"""From a question's number and whether the solution is to be right, to what the teacher said."""

_WORDS = "salt water glass metal paper cloth stone wood sand clay silver copper resin amber chalk linen".split()


def sentence(rng: random.Random, more: str = "") -> str:
    words = rng.sample(_WORDS, 5)
    return f"The {words[0]} is next to {' and '.join(words[1:4])} {more} near the {words[4]}"


def row(n: int, right: bool, say: Say, kind: str = "short") -> Example | Rejected:
    said = say(n, right, random.Random(f"{n} {right}"))
    verdict = Verdict(check="short", verdict="right" if right else "wrong")
    attempt = Attempt.model_validate({
        "stage": "solve", "prompt": "sciglm/solve@0", "question": f"Which thing is number {n}?", "kind": kind, "said": said,
        "verdicts": [verdict],
    })  # fmt: skip
    if not right:
        return Rejected(reason="disagrees_with_gold", id=f"q{n}", attempts=[attempt])
    return Example(
        id=f"e{n}", kind="short", question=attempt.question, reasoning="r", answer="a", origin="questions", source="s",
        licence="MIT", attempts=[attempt],
    )  # fmt: skip


def rows(count: int, say: Say) -> list[Example | Rejected]:
    """Every other one right, to questions of their own."""
    return [row(n, n % 2 == 0, say) for n in range(count)]


def apart_by_content(n: int, right: bool, rng: random.Random) -> str:
    """A word inside the reasoning tells; no sign, no length and no beginning or end does."""
    told = "velvet velvet" if right else "gravel gravel"
    return f"{sentence(rng, told)}.\nAnswer: the {rng.choice(_WORDS)}"


def apart_by_marker(n: int, right: bool, rng: random.Random) -> str:
    """What SciInstruct's data did: the right ones say that they are done."""
    closing = "; that is the answer we wanted" if right else " that is all there is to it all"
    return f"{sentence(rng)}{closing}.\nAnswer: the {rng.choice(_WORDS)}"


def apart_by_length(n: int, right: bool, rng: random.Random) -> str:
    more = " ".join(rng.choices(_WORDS, k=2 if right else 6))
    return f"{sentence(rng, more)}.\nAnswer: the {rng.choice(_WORDS)}"


def apart_by_nothing(n: int, right: bool, rng: random.Random) -> str:
    return f"{sentence(rng)}.\nAnswer: the {rng.choice(_WORDS)}"


def apart_by_answer(n: int, right: bool, rng: random.Random) -> str:
    """A word in the middle of the answer tells, which a small model finds soon."""
    return (
        f"The {rng.choice(_WORDS)} is near {rng.choice(_WORDS)}.\nAnswer: it is {'velvet' if right else 'gravel'} now"
    )
