"""Judges a response to a question that is answered yes, no or maybe."""

from __future__ import annotations

import re

from zoo.api import Example, Question, Verdict
from zoo.verifiers.reading import (
    CORRECTION,
    HEDGE,
    HEDGED_NEXT,
    NEGATION,
    answer_of,
    final,
    gold_of,
    plain,
    sentence_before,
)

# "No" before a word is usually a determiner ("no evidence"), so a word counts only where it stands as an answer.
_WORD = re.compile(
    r"(?:^|(?<=[.!?\n:;,(\"'/])|\b(?:is|be|say|answer|or|and|but|not|wait|actually|probably|likely|definitely|clearly|therefore|so|maybe|"
    r"perhaps|possibly)\b)[\s\"'(*:]*"
    r"\b(?P<word>yes|no|maybe)\b(?=\s*(?:[.,;:!?)\"'/\n-]|$|or\b|and\b|but\b|because\b|since\b|yes\b|no\b|maybe\b))",
    re.I,
)
_JOIN = re.compile(r"^[\s,/&-]*(?:(?:or|and|also)\b[\s,]*)*$", re.I)


def yes_no_maybe(example: Example | Question, response: str) -> Verdict:
    """Right where the last of the three words that stands as an answer is the gold; two side by side, or a hedge, are
    wrong."""
    gold = plain(gold_of(example))
    if gold not in ("yes", "no", "maybe"):
        return Verdict(check="yes_no_maybe", verdict="abstain", reason="the gold answer is not yes, no or maybe")
    stated, why = _stated(answer_of(response))
    if stated is None:
        return Verdict(check="yes_no_maybe", verdict="wrong", reason=why)
    return Verdict(check="yes_no_maybe", verdict="right" if stated == gold else "wrong", reason=f"says {stated}")


def _stated(text: str) -> tuple[str | None, str]:
    segment, marked = final(text)
    found = _words(segment)
    if not found and marked:
        segment, found = text, _words(text)
    if not found:
        return None, "neither yes, no nor maybe is stated"
    last = found[0] if marked and found[0].start("word") == 0 and not _taken_back(segment, found) else found[-1]
    before = sentence_before(segment, last.start("word"))
    if HEDGE.search(before) or HEDGED_NEXT.search(before):
        return None, "the answer is hedged"
    for other in found:
        first, second = sorted((other, last), key=lambda m: m.start("word"))
        between = segment[first.end("word") : second.start("word")]
        if other.group("word").lower() != last.group("word").lower() and _JOIN.match(between):
            return None, "two answers are stated"
    return last.group("word").lower(), ""


def _words(text: str) -> list[re.Match[str]]:
    return [m for m in _WORD.finditer(text) if not NEGATION.search(sentence_before(text, m.start("word")))]


def _taken_back(text: str, found: list[re.Match[str]]) -> bool:
    return len(found) > 1 and bool(CORRECTION.search(text[found[0].end() : found[-1].start("word")]))
