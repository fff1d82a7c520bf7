"""How well a classifier tells right from wrong on questions it has not seen, beside rules that see no more than form; and
whether that is good enough to filter by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from zoo.quality.pairs import FEWEST, Pairs, folds_of
from zoo.quality.rules import Rule
from zoo.quality.solutions import Judged, Solution

MOST_BY_FORM, LEAST = 0.6, 0.7  # AUROC


class Classifier(Protocol):
    def scores(self, train: Sequence[Judged], asked: Sequence[Solution], fold: int) -> list[float]:
        """p(right) - p(wrong), from -1 to 1, of the solutions `asked`, after training on `train`; `fold` counts the
        trainings."""


@dataclass(frozen=True)
class Area:
    """The area under the ROC curve with the ends of its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Assessed:
    """`scores` are those of the solutions asked about, in their order, none where there were too few pairs to train on.
    `why_not` says what keeps the classifier from filtering; empty where nothing does."""

    pairs: Pairs
    scores: list[float]
    areas: dict[str, Area]
    why_not: str

    def facts(self) -> dict[str, Any]:
        rounded = {n: {k: round(v, 4) for k, v in asdict(a).items()} for n, a in self.areas.items()}
        return {
            "filtered": not self.why_not, **({"why": self.why_not} if self.why_not else {}),
            "pairs": len(self.pairs.judged) // 2, "made": self.pairs.made, "questions": self.pairs.questions,
            "auroc": rounded,
        }  # fmt: skip


def assess(classifier: Classifier, pairs: Pairs, asked: Sequence[Solution], folds: int, seed: int) -> Assessed:
    """Trains once a fold on the other folds' questions: every score, of the pairs and of what is asked about, is by a model
    that has not seen the question. The rules of form are fitted and scored alike."""
    if pairs.questions < FEWEST:
        why = (
            f"only {pairs.questions} questions have a right solution, or a wrong one, to set against one of the same form, and from "
            f"fewer than {FEWEST} no AUROC can be told from chance"
        )
        return Assessed(pairs, [], {}, why)
    fold_of = folds_of(pairs, (s.asked for s in asked), folds, seed)
    areas: dict[str, Area] = {}
    for name in ("markers", "length"):
        areas[name] = _area(pairs, _held_out(Rule(name), pairs, (), fold_of, folds)[0])
    own, scores = _held_out(classifier, pairs, asked, fold_of, folds)
    areas = {"classifier": _area(pairs, own), **areas}
    return Assessed(pairs, scores, areas, _why_not(areas))


def _held_out(
    classifier: Classifier, pairs: Pairs, asked: Sequence[Solution], fold_of: dict[str, int], folds: int
) -> tuple[list[float], list[float]]:
    every = [*(j.solution for j in pairs.judged), *asked]
    scores = [0.0] * len(every)
    for fold in range(folds):
        train = [j for j in pairs.judged if fold_of[j.solution.asked] != fold]
        here = [n for n, s in enumerate(every) if fold_of[s.asked] == fold]
        for n, score in zip(here, classifier.scores(train, [every[n] for n in here], fold), strict=True):
            scores[n] = score
    return scores[: len(pairs.judged)], scores[len(pairs.judged) :]


def _area(pairs: Pairs, scores: Sequence[float]) -> Area:
    """The AUROC of the pairs' scores. Its interval heeds that several solutions may be of one question: Obuchowski's
    variance for clustered data (1997, doi:10.2307/2533958), which is DeLong's where none are."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    right, score = np.array([j.right for j in pairs.judged]), np.array(scores)
    value = float(roc_auc_score(right, score))
    _, question = np.unique([j.solution.asked for j in pairs.judged], return_inverse=True)
    excess, clusters = {}, {}
    for side in (True, False):
        # Which share of the other side each is on the right side of, and what each question has of it above the mean.
        other = np.sort(score[right != side])
        below = (np.searchsorted(other, score, "left") + np.searchsorted(other, score, "right")) / (2 * len(other))
        share = np.where(right == side, (below if side else 1 - below) - value, 0)
        excess[side] = np.bincount(question, share) / (right == side).sum()
        clusters[side] = len(np.unique(question[right == side]))
    every = int(question.max()) + 1
    variance = sum(n / (n - 1) * float(excess[side] @ excess[side]) for side, n in clusters.items())
    variance += 2 * every / (every - 1) * float(excess[True] @ excess[False])
    width = 1.96 * max(variance, 0.0) ** 0.5
    return Area(value, max(0.0, value - width), min(1.0, value + width))


def _why_not(areas: dict[str, Area]) -> str:
    for name, sees in (("markers", "only signs and cue words"), ("length", "only lengths")):
        if areas[name].value > MOST_BY_FORM:
            return (
                f"a rule that sees {sees} has an AUROC of {areas[name].value:.2f}, above {MOST_BY_FORM:g}: the right solutions have "
                "another form than the wrong ones, and a classifier would learn that"
            )
    own = areas["classifier"].value
    return f"its AUROC is {own:.2f}, and below {LEAST:g} it drops too many right solutions" if own < LEAST else ""
