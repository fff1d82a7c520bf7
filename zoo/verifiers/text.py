"""Judges a free text, such as a summary, by its overlap with the gold: ROUGE-L (Lin, 2004), F-measure with stemming."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from zoo.api import Example, Question, Verdict
from zoo.verifiers.reading import answer_of, gold_of

RIGHT_FROM, WRONG_BELOW = 0.5, 0.15


@lru_cache
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=True)


def text(example: Example | Question, response: str) -> Verdict:
    """Right from 0.5 on, wrong below 0.15; in between two texts may well say the same in other words, and it
    abstains."""
    said = answer_of(response)
    if not said:
        return Verdict(check="text", verdict="wrong", reason="the response is empty")
    overlap = float(_scorer().score(gold_of(example), said)["rougeL"].fmeasure)
    verdict = "right" if overlap >= RIGHT_FROM else "wrong" if overlap < WRONG_BELOW else "abstain"
    return Verdict.model_validate({"check": "text", "verdict": verdict, "reason": f"ROUGE-L {overlap:.2f}"})
