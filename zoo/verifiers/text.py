"""Judges a free text, such as a summary, by its overlap with the gold: ROUGE-L (Lin 2004, aclanthology.org/W04-1013)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from zoo.api import Example, Question, Verdict
from zoo.verifiers.reading import answer_of, gold_of

RIGHT_FROM, WRONG_BELOW = 0.5, 0.15


def overlap(reference: str, said: str) -> float:
    """ROUGE-L F1 with stemming, from 0 to 1."""
    return float(_scorer().score(reference, said)["rougeL"].fmeasure)


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
    share = overlap(gold_of(example), said)
    verdict = "right" if share >= RIGHT_FROM else "wrong" if share < WRONG_BELOW else "abstain"
    return Verdict.model_validate({"check": "text", "verdict": verdict, "reason": f"ROUGE-L {share:.2f}"})
