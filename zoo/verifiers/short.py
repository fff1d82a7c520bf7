"""Judges a short answer in words."""

from __future__ import annotations

import re

from zoo.api import Example, Question, Verdict
from zoo.verifiers.reading import HEDGE, NEGATION, answer_of, final, gold_of, plain, sentence_before

_LEAD = re.compile(r"^(?:it|this|that|they|these)\s+(?:is|are|was|were)\s+(?:called\s+|known\s+as\s+)?", re.I)
_MOST_EXTRA = 25  # words beside the answer; a response longer than that is an essay, not a short answer
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def short(example: Example | Question, response: str) -> Verdict:
    """Right where the response is the gold in other capitals, articles or plurals, or states it once in a sentence;
    abstains where it gives only a part of the gold."""
    gold, text = _stem(plain(gold_of(example))), answer_of(response)
    if not gold:
        return Verdict(check="short", verdict="abstain", reason="the gold answer is empty")
    segment = _LEAD.sub("", final(text)[0].strip())
    said = _stem(plain(segment))
    if not said:
        return Verdict(check="short", verdict="wrong", reason="the response is empty")
    if said == gold or said.replace(" ", "").replace("-", "") == gold.replace(" ", "").replace("-", ""):
        return Verdict(check="short", verdict="right", reason="the same text")
    if HEDGE.search(segment) or (re.search(r"\bor\b", segment, re.I) and " or " not in f" {gold} "):
        return Verdict(check="short", verdict="wrong", reason="the answer is hedged")
    if _states(segment, said, gold):
        return Verdict(check="short", verdict="right", reason="the answer stands in it")
    if f" {said} " in f" {gold} " and _NUMBER.findall(said) == _NUMBER.findall(gold):
        return Verdict(check="short", verdict="abstain", reason="a part of the gold answer")
    return Verdict(check="short", verdict="wrong", reason=f"says {segment[:80]!r}")


def _states(segment: str, said: str, gold: str) -> bool:
    """Whether the gold stands in the response as whole words, affirmed, and the response is about little else."""
    at = f" {said} ".find(f" {gold} ")
    if at < 0 or len(said.split()) - len(gold.split()) > _MOST_EXTRA:
        return False
    words = said[:at].split()
    before = " ".join(segment.split()[: len(words) + 2]) if words else ""
    lead = before[: before.lower().rfind(gold.split()[0])] if gold.split()[0] in before.lower() else " ".join(words)
    return not NEGATION.search(sentence_before(lead, len(lead)))


def _stem(text: str) -> str:
    """Plurals without their s; good enough to compare two answers, not to read."""
    return " ".join(
        w[:-1] if len(w) > 3 and w.endswith("s") and not w.endswith(("ss", "us", "is")) else w for w in text.split()
    )
