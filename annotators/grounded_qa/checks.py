"""What an answer of the teacher must pass, each check decided by code."""

from __future__ import annotations

import random
import re

from zoo.annotating import Material
from zoo.api import Citation
from zoo.quotes import find_quote
from zoo.verifiers.reading import plain

FEWEST_STEPS = 6  # words of reasoning
_TEXT = r"(?:passage|text|excerpt|paragraph|article|document|section|author|context|report)s?\b(?!\s+of\b)"
_LEANS = re.compile(
    rf"\b(?:(?:this|the|above|given|following|provided)\s+{_TEXT}"
    r"|according\s+to\s+(?:the|this)\s+(?:author|guide|text|table|figure|study|source)|mentioned\s+above|as\s+described"
    r"|(?:the|this)\s+(?:table|figure|slide|page)|(?:table|figure)\s+(?:above|below|\d+)|(?:this|the\s+present)\s+study)\b",
    re.I,
)
# "The passage states that metformin is first." says no less as "Metformin is first."
_LEAD_IN = re.compile(
    rf"(?:(?<=^)|(?<=[.!?]\s))(?:(?:according\s+to|from|in|based\s+on)\s+the\s+(?:given\s+|provided\s+)?{_TEXT}\s*,\s*(?:it\s+is\s+\w+\s+that\s+)?"
    rf"|(?:it\s+is\s+\w+\s+in\s+the\s+{_TEXT}\s+that\s+)"
    rf"|th(?:e|is)\s+{_TEXT}\s+(?:\w+ly\s+|also\s+)?(?:states?|says?|mentions?|explains?|notes?|indicates?|describes?)\s*(?:that\s+|:\s*|(?=[\"'\u2018\u201c])))"
    r"([\"'\u2018\u201c]?)(\w)",
    re.I,
)
_CLOSING = {'"': '"', "'": "'", "\u2018": "\u2019", "\u201c": "\u201d"}
_SMALL = frozenset(
    "a an the of in on at to for from by with and or as is are was were be it its their his her this that these those not no".split()
)


class Refused(Exception):
    """A check that an answer did not pass."""

    def __init__(self, reason: str, **detail: object) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def check_question(question: str, answer: str) -> None:
    """Raises Refused where the question cannot stand by itself, or nothing answers it."""
    if len(question.split()) < 4:
        raise Refused("question_too_short")
    if found := _LEANS.search(question):
        raise Refused("not_self_contained", words=found.group())
    if not answer:
        raise Refused("answer_unreadable")


def check_short(question: str, answer: str, text: str) -> None:
    """Raises Refused for a short answer that the question gives away, or of which a word does not stand in the text."""
    said = _words(answer)
    if not said - _words(question):
        raise Refused("answer_in_question")
    if missing := sorted(said - _words(text)):
        raise Refused("answer_not_in_passage", words=missing)


def _words(text: str) -> set[str]:
    """The words that mean something, without a plural's ending."""
    found = re.findall(r"[^\W_]+", text.lower())
    return {w[:-1] if len(w) > 3 and w.endswith("s") else w for w in found if w not in _SMALL}


def options(answer: str, distractors: list[str], seed: str) -> list[str]:
    """The answer among its distractors, in an order that `seed` decides. A teacher that lists the answer with them is
    not held to it. Raises Refused where fewer than two or more than four others are left."""
    others: dict[str, str] = {}
    for other in distractors:
        if plain(other) and plain(other) != plain(answer):
            others.setdefault(plain(other), other.strip())
    if not 2 <= len(others) <= 4:
        raise Refused("bad_choices", distractors=distractors)
    choices = [answer, *others.values()]
    random.Random(seed).shuffle(choices)
    return choices


def cite(quotes: list[str], item: Material) -> list[Citation]:
    """The quotes with their places in the passage, in the passage's own characters. Raises Refused where one does not
    stand there."""
    if not quotes:
        raise Refused("no_quote")
    passage, places = item.passage, []
    for quote in quotes:
        place = find_quote(quote, passage.text)
        if place is None:
            raise Refused("quote_not_in_passage", quote=quote)
        places.append(place)
    return [
        Citation(quote=passage.text[start:end], document=item.document.id, passage=passage.id, start=start, end=end)
        for start, end in dict.fromkeys(places)
    ]


def check_reasoning(reasoning: str, answer: str) -> str:
    """The reasoning as it stands without the passage at hand. Raises Refused where there is none, or it leans on one."""
    text = _without_lead_ins(reasoning.strip())
    if len(text.split()) < FEWEST_STEPS or plain(text) == plain(answer):
        raise Refused("no_reasoning")
    if found := _LEANS.search(text):
        raise Refused("reasoning_not_self_contained", words=found.group())
    return text


def _without_lead_ins(text: str) -> str:
    """Sentences that begin with "The passage states that" begin with what it states."""
    while found := _LEAD_IN.search(text):
        mark, first = found.groups()
        rest = text[found.end() :]
        if mark:
            # The quotation marks go together; without a closing one the sentence is taken as it is.
            inner, closing, after = rest.partition(_CLOSING[mark])
            while closing and after[:1].isalnum():
                more, closing, after = after.partition(_CLOSING[mark])
                inner += _CLOSING[mark] + more
            rest = inner + after
        text = text[: found.start()] + first.upper() + rest
    return text
