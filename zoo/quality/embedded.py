"""The light classifier: a logistic regression on sentence vectors of question, reasoning and answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoo.embedding import Embed
from zoo.quality.rules import logistic
from zoo.quality.solutions import Judged, Solution

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_STRENGTH = 10.0


class Embedded:
    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._known: dict[str, NDArray[np.float32]] = {}

    def scores(self, train: Sequence[Judged], asked: Sequence[Solution], fold: int) -> list[float]:
        given = self._vectors([j.solution for j in train])
        return logistic(given, [j.right for j in train], self._vectors(asked), [], _STRENGTH)

    def _vectors(self, solutions: Sequence[Solution]) -> NDArray[np.float32]:
        """(solutions, 5 times the embedder's size): the three parts by themselves, since an embedder reads no further than a
        few sentences, and how far the answer is about what the question and the reasoning are about."""
        import numpy as np

        texts = list(dict.fromkeys(t for s in solutions for t in (s.question, s.reasoning, s.answer)))
        if new := [t for t in texts if t not in self._known]:
            self._known |= dict(zip(new, self._embed(new), strict=True))
        parts = [
            np.stack([self._known[t] for t in of])
            for of in zip(*((s.question, s.reasoning, s.answer) for s in solutions), strict=True)
        ]
        question, reasoning, answer = parts
        # A product of two unit vectors is as much smaller than they are as it has numbers.
        scale = question.shape[1] ** 0.5
        return np.concatenate([*parts, scale * question * answer, scale * reasoning * answer], axis=1)
