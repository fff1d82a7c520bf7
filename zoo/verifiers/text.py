"""Judges a free text, such as a summary, by its overlap with the gold: ROUGE-L (Lin 2004, aclanthology.org/W04-1013)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from zoo.api import Example, Question, Verdict
from zoo.verifiers.reading import answer_of, gold_of, plain
from zoo.verifiers.spelling import spelled

RIGHT_FROM, WRONG_BELOW = 0.5, 0.15
_MOST_MORE = 0.25  # of an explanation's words, in one that is the same
_EMPTY = set(
    "the a an of in on to and or is are was were be by with for from that this which it its they their them because since as so "
    "thus therefore also just only first must may can will has have had do does".split()
)
_DENIALS = set("not no never without less more below above neither nor cannot opposite instead rather".split())


def overlap(reference: str, said: str) -> float:
    """ROUGE-L F1 with stemming, from 0 to 1."""
    return float(_scorer().score(reference, said)["rougeL"].fmeasure)


@lru_cache
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=True)


def text(example: Example | Question, response: str) -> Verdict:
    """Right from 0.5 on, wrong below 0.15; in between two texts may well say the same in other words, and it
    abstains. An explanation is right only where it has every word of the gold that means something, and no denial that
    the gold has not: one word makes it say the opposite, and others may say the same."""
    said = answer_of(response)
    if not said:
        return Verdict(check="text", verdict="wrong", reason="the response is empty")
    gold = gold_of(example)
    share = overlap(gold, said)
    verdict = "right" if share >= RIGHT_FROM else "wrong" if share < WRONG_BELOW else "abstain"
    if example.kind == "explanation":
        verdict = "right" if verdict == "right" and _all_of(gold, said) else "abstain"
    return Verdict.model_validate({"check": "text", "verdict": verdict, "reason": f"ROUGE-L {share:.2f}"})


def _all_of(gold: str, said: str) -> bool:
    """Whether one text has the other's words and little else."""
    wanted, words = (
        {w for t in spelled(plain(text)).split() for w in t.split("-") if w not in _EMPTY} for text in (gold, said)
    )
    return wanted <= words and len(words - wanted) <= len(wanted) * _MOST_MORE and not (words - wanted) & _DENIALS
