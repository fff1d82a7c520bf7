"""How the verifiers read a response: where its answer stands, and what takes an answer back."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from zoo.api import Example, Question
from zoo.prompting import split_response

MARKER = re.compile(
    r"\\boxed\s*\{|\b(?:final|correct|best|right)?\s*answer(?:\s+(?:is|would\s+be|should\s+be|must\s+be|option|choice))*\s*[:=]?"
    r"(?=[\s*(\"'{]|$)(?!\s+(?:the|this|to|these|with|in|a\s+question|choices?|options?)\b(?!\s*\w*\s*$))",
    re.I,
)
HEDGE = re.compile(
    r"\b(?:either|neither|perhaps|possibly|might\s+be|may\s+be|could\s+be|not\s+(?:entirely\s+)?(?:sure|certain)|unsure|"
    r"cannot\s+(?:tell|say|decide|determine)|can't\s+(?:tell|say|decide))\b",
    re.I,
)
# Hedges only what follows at once: "A is probably wrong, so B" does not hedge B.
HEDGED_NEXT = re.compile(
    r"\b(?:probably|presumably|maybe|perhaps|possibly|i(?:'d|\s+would)?\s+(?:guess|suppose))"
    r"(?:\s+(?:it(?:'s|\s+is)|that|the|my|an?|option|choice|answer|is|be))*[\s\"'(:,]*$",
    re.I,
)
HEDGED_BEFORE = re.compile(
    r"^\W*(?:probably|presumably|maybe|perhaps|possibly|i\s+(?:guess|suppose))\W*(?:$|[.\n])", re.I
)
NEGATION = re.compile(
    r"(?:\b(?:not|isn't|never|nor|neither|except|than|unlike|instead\s+of|versus|rul(?:e|es|ed|ing)\s+out|"
    r"exclud(?:e|es|ed|ing)|eliminat(?:e|es|ed|ing)|(?:any(?:thing)?|all|every\w*|none)\b[^.;\n]{0,30}\bbut)\b|n't)(?:\s+(?:the|an?|option|choice|answer|be|is|just|only))*\W*$",
    re.I,
)
NEGATED_AFTER = re.compile(
    r"^\W*(?:is|are|was|would\s+be|can\s+be)\s+(?:wrong|incorrect|not\b|false|excluded|ruled\s+out|eliminated|less\s+likely|unlikely)"
    r"|^\W*(?:isn't|wouldn't|cannot|can't)",
    re.I,
)
CORRECTION = re.compile(
    r"\b(?:no|wait|actually|rather|instead|but|sorry|correction|so|therefore|hence|because|since|as|whereas|while|however|"
    r"although|than|then|answer|not)\b|->|→|⇒",
    re.I,
)
# A capital A inside a text is a name: vitamin A, hepatitis A.
_ARTICLE = re.compile(r"(?:^A|\b(?:a|[Aa]n|[Tt]he|THE))\s+(?=\w)")
_DASHES = str.maketrans("‐‑‒–—−’‘“”", "------''\"\"")


def gold_of(row: Example | Question) -> str:
    """The right answer of a row: an example's `answer`, a question's `gold`."""
    return row.answer if isinstance(row, Example) else row.gold


def answer_of(response: str) -> str:
    """The response without its `<think>` block and without Markdown's emphasis."""
    text = split_response(response)[1].translate(_DASHES)
    return re.sub(r"\*\*|__|\\text|\\mathrm|\\\(|\\\)|`", "", text).strip()


def final(text: str) -> tuple[str, bool]:
    """What follows the last "the answer is", and whether there was one; else the whole text."""
    found = list(MARKER.finditer(text))
    for match in reversed(found):
        after = text[match.end() :].strip(" \t\n:=({")
        if re.search(r"\w", after):
            return after, True
    return text, False


@lru_cache(maxsize=512)  # checks and verifiers compare an item's options several times over
def plain(text: str) -> str:
    """Lower case, no accents, articles or outer punctuation, single spaces: what two texts that say the same have in
    common."""
    bare = _ARTICLE.sub("", text.translate(_DASHES).strip())
    if not bare.isascii():  # ASCII has no accents, and is most of what is compared
        bare = "".join(c for c in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(c))
    words = re.sub(r"[^\w%.+/<>=°-]+", " ", bare.casefold())
    return " ".join(w for w in (w.strip(".-=") for w in words.split()) if w)


def sentence_before(text: str, at: int) -> str:
    """The part of the sentence that stands before `at`."""
    return re.split(r"(?<=[.!?;])\s+|\n", text[:at])[-1]
