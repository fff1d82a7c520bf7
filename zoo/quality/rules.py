"""What tells right solutions from wrong ones without reading them, which no classifier may rest on."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from zoo.quality.solutions import Judged, Solution

_SYMBOLS = re.compile(r"[^\w\s]+")
_CUES = re.compile(
    r"\b(?:answer|final|therefore|thus|hence|so|conclusion|conclude|correct|option|step|first|finally|given|because|since|"
    r"wait|actually|reference|solution)\b",
    re.I,
)


class Rule:
    """A logistic regression on features of a solution's form."""

    def __init__(self, features: str) -> None:
        self._features = {"markers": markers, "length": lengths}[features]

    def scores(self, train: Sequence[Judged], asked: Sequence[Solution], fold: int) -> list[float]:
        from sklearn.feature_extraction import DictVectorizer
        from sklearn.preprocessing import StandardScaler

        return logistic(
            [self._features(j.solution) for j in train], [j.right for j in train], [self._features(s) for s in asked],
            [DictVectorizer(), StandardScaler(with_mean=False)], 0.1,
        )  # fmt: skip


def logistic(train: Any, right: Sequence[bool], asked: Any, before: Sequence[Any], strength: float) -> list[float]:
    """p(right) - p(wrong) of `asked` by a logistic regression on `train`, both through the transforms in `before`;
    `strength` is its C."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    # Classes balanced: a fold may hold more of one, and what it holds of it should be no sign.
    model = make_pipeline(*before, LogisticRegression(C=strength, class_weight="balanced", max_iter=1000))
    model.fit(train, list(right))
    return [float(2 * p - 1) for p in model.predict_proba(asked)[:, 1]]


def markers(solution: Solution) -> dict[str, float]:
    """Which signs and cue words stand in the reasoning and the answer, how each begins and how it ends."""
    out: Counter[str] = Counter()
    for name, text in (("reasoning", solution.reasoning), ("answer", solution.answer)):
        found = [*_SYMBOLS.findall(text), *(m.lower() for m in _CUES.findall(text))]
        out.update(f"{name} has {sign}" for sign in set(found))
        out.update([f"{name} begins {text.split()[0].lower()}", f"{name} ends {text[-1]}"])
        out[f"{name} is cased"] = int(text[:1].isupper())
        out[f"{name} sentences"] = len(re.findall(r"[.!?](?:\s|$)", text))
    return dict(out)


def lengths(solution: Solution) -> dict[str, float]:
    """How long reasoning and answer are; squares too, where both too short and too long may be wrong."""
    out: dict[str, float] = {}
    for name, text in (("reasoning", solution.reasoning), ("answer", solution.answer)):
        size = math.log(1 + len(text))
        out |= {name: size, f"{name}, squared": size * size}
    return out
