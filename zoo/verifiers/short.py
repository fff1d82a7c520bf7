"""Judges a short answer in words."""

from __future__ import annotations

import re

from zoo.api import Example, Question, Verdict
from zoo.verifiers.reading import HEDGE, NEGATION, answer_of, final, gold_of, plain, sentence_before
from zoo.verifiers.spelling import spelled

_LEAD = re.compile(r"^(?:it|this|that|they|these)\s+(?:is|are|was|were)\s+(?:called\s+|known\s+as\s+)?", re.I)
_MOST_EXTRA = 25  # words beside the answer; a response longer than that is an essay, not a short answer
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NEGATED = re.compile(r"\b(?:without|lack\s+of|absence\s+of|non-\w+|not|no|neither|nor|never|opposite)\b|n't\b", re.I)
_UNKNOWING = re.compile(
    r"\b(?:no\s+idea|unknown|unclear|(?:do|does)\s+not\s+know|don't\s+know|cannot\s+be\s+\w+|none|nothing|any|all\s+of|both)\b",
    re.I,
)
_EMPTY = {"of", "the", "a", "an", "in", "by", "to", "and", "with", "for"}


def short(example: Example | Question, response: str) -> Verdict:
    """Right where the response is the gold in another spelling, number or order ("deficiency of iron"), or states it once in
    a sentence. Wrong where it hedges, denies, or says the gold with another word in the place of one; abstains
    where it gives a part of the gold, adds to it, or has no word in common with it, and so may be a synonym."""
    gold, text = spelled(plain(gold_of(example))), answer_of(response)
    if not gold:
        return Verdict(check="short", verdict="abstain", reason="the gold answer is empty")
    segment = _LEAD.sub("", final(text)[0].strip())
    said = spelled(plain(segment))
    if not said:
        return Verdict(check="short", verdict="wrong", reason="the response is empty")
    if _joined(said) in {_joined(g) for g in (gold, _turned(gold), *_names(gold_of(example)))} or _turned(said) == gold:
        return Verdict(check="short", verdict="right", reason="the same text")
    if HEDGE.search(segment) or (re.search(r"\bor\b", segment, re.I) and " or " not in f" {gold} "):
        return Verdict(check="short", verdict="wrong", reason="the answer is hedged")
    if _states(segment, said, gold):
        return Verdict(check="short", verdict="right", reason="the answer stands in it")
    if why := _in_other_words(segment, said, gold):
        return Verdict(check="short", verdict="abstain", reason=why)
    return Verdict(check="short", verdict="wrong", reason=f"says {segment[:80]!r}")


def _joined(text: str) -> str:
    return text.replace(" ", "").replace("-", "")


def _turned(text: str) -> str:
    """`iron deficiency` for `deficiency of iron`."""
    parts = text.split(" of ")
    return f"{parts[1]} {parts[0]}" if len(parts) == 2 else text


def _names(gold: str) -> list[str]:
    """Both names of a gold that gives a second one in brackets: `myocardial infarction (heart attack)`."""
    found = re.fullmatch(r"\s*([^()]{3,}?)\s*\(\s*(?:or\s+|also\s+|i\.e\.,?\s*)?([^()]{2,})\s*\)\W*", gold)
    return [spelled(plain(name)) for name in found.groups()] if found else []


def _in_other_words(segment: str, said: str, gold: str) -> str:
    """Why the response may mean the gold without saying it; empty where it cannot."""
    if _NEGATED.search(segment) or _UNKNOWING.search(segment):
        return ""
    if len(gold) < 3 or (_NUMBER.findall(gold) and _NUMBER.findall(said) != _NUMBER.findall(gold)):
        return ""  # letters and numbers have no synonyms
    if f" {said} " in f" {gold} ":
        return "a part of the gold answer"
    words, wanted = ([w for w in re.split(r"[ -]+", t) if w not in _EMPTY] for t in (said, gold))
    if len(words) > _MOST_EXTRA:
        return ""
    if all(any(_akin(w, x) for x in words) for w in wanted):
        return "the gold answer in another form, or with an addition"
    shared = any(_akin(w, x) for w in wanted for x in words)
    return "" if shared else "no word in common"


def _akin(a: str, b: str) -> bool:
    """Whether two words have one stem: myocardium and myocardial."""
    least = min(len(a), len(b))
    return a == b or (least >= 6 and a[: max(6, least - 3)] == b[: max(6, least - 3)])


def _states(segment: str, said: str, gold: str) -> bool:
    """Whether the gold stands in the response as whole words, affirmed, and the response is about little else."""
    at = f" {said} ".find(f" {gold} ")
    if at < 0 or len(said.split()) - len(gold.split()) > _MOST_EXTRA:
        return False
    words = said[:at].split()
    before = " ".join(segment.split()[: len(words) + 2]) if words else ""
    lead = before[: before.lower().rfind(gold.split()[0])] if gold.split()[0] in before.lower() else " ".join(words)
    return not NEGATION.search(sentence_before(lead, len(lead)))
