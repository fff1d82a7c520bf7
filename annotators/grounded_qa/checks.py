"""What an answer of the teacher must pass, each check decided by code."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from zoo.annotating import Material
from zoo.api import Citation, Kind
from zoo.quotes import find_quote
from zoo.verifiers.reading import plain

FEWEST_STEPS = 6  # words of reasoning
FEWEST_WORDS = 3  # of a question, and of a quote that is evidence
_TEXT = r"(?:passage|text|excerpt|paragraph|article|document|section|author|context|report)s?\b(?!\s+of\b)"
_LEANS = re.compile(
    rf"\b(?:(?:this|the|above|given|following|provided)\s+{_TEXT}"
    r"|according\s+to\s+(?:the|this)\s+(?:author|guide|text|table|figure|study|source)|mentioned\s+above|as\s+described"
    r"|(?:the|this)\s+(?:[\w-]+\s+){0,4}(?:table|figure|slide|graph|chart|diagram|image|video)s?|(?:the|this)\s+page"
    r"|(?:table|figure)\s+(?:above|below|\d+)|(?:this|the\s+present)\s+study)\b",
    re.I,
)
# It asks for more than a yes or no.
_OPEN = re.compile(r"(?:^|[.;:,]\s+)(?:what|which|who|whom|whose|where|when|why|how)\b[^.]*$", re.I)
_COUNT, _SHARE = re.compile(r"\bhow\s+many\b", re.I), re.compile(r"\d\s*(?:%|per\s*cent)", re.I)
# "This directly answers the question." says nothing about the matter.
_META = re.compile(
    r"^(?:this|therefore,? this|which)\s+(?:\w+ly\s+)?(?:answers|addresses|corresponds\s+to|is\s+the\s+answer\s+we)\b",
    re.I,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'\u2018\u201c])")
# "The passage states that metformin is first." says no less as "Metformin is first."
_LEAD_IN = re.compile(
    rf"(?:(?:according\s+to|from|in|based\s+on)\s+the\s+(?:given\s+|provided\s+)?{_TEXT}\s*,\s*(?:it\s+is\s+\w+\s+that\s+)?"
    rf"|(?:it\s+is\s+\w+\s+in\s+the\s+{_TEXT}\s+that\s+)"
    rf"|(?:th(?:e|is)\s+{_TEXT}|it(?=\s+also\b))\s+(?:\w+ly\s+|also\s+)?(?:states?|says?|mentions?|explains?|notes?|indicates?|describes?)\s*(?:that\s+|:\s*|(?=[\"'\u2018\u201c])))"
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


def check_question(kind: Kind, question: str, answer: str) -> None:
    """Raises Refused where the question cannot stand by itself, is of another kind, or has no answer but its own words."""
    if len(question.split()) < FEWEST_WORDS:
        raise Refused("question_too_short")
    if found := _LEANS.search(question):
        raise Refused("not_self_contained", words=found.group())
    if not answer:
        raise Refused("answer_unreadable")
    if kind == "yes_no_maybe" and _OPEN.search(question):
        raise Refused("not_a_yes_no_question")
    if kind == "number" and _COUNT.search(question) and _SHARE.search(answer):
        raise Refused("another_unit_than_asked")
    if kind in {"short", "choice"} and not _words(answer) - _words(question):
        raise Refused("answer_in_question")


def check_short(answer: str, quotes: Sequence[Citation]) -> None:
    """Raises Refused for a short answer with a word that none of the quotes has."""
    if missing := sorted(_words(answer) - _words(" ".join(c.quote for c in quotes))):
        raise Refused("answer_not_in_quotes", words=missing)


def _words(text: str) -> set[str]:
    """The words that mean something, without a plural's ending."""
    found = re.findall(r"[^\W_]+", text.lower())
    return {w[:-1] if len(w) > 3 and w.endswith("s") else w for w in found if w not in _SMALL}


def options(answer: str, distractors: list[str], seed: str) -> list[str]:
    """The answer among its distractors, in an order that `seed` decides. A teacher that lists the answer with them is
    not held to it; of many, the first four stand. Raises Refused where fewer than two others are left."""
    others: dict[str, str] = {}
    for other in distractors:
        if plain(other) and plain(other) != plain(answer):
            others.setdefault(plain(other), other.strip())
    if len(others) < 2:
        raise Refused("bad_choices", distractors=distractors)
    choices = [answer, *list(others.values())[:4]]
    random.Random(seed).shuffle(choices)
    return choices


def cite(quotes: list[str], item: Material) -> list[Citation]:
    """The quotes with their places in the passage, in the passage's own characters; words without a sentence are no
    evidence and are left out where there is some. Raises Refused where a quote does not stand in the passage."""
    passage, places = item.passage, []
    for quote in filter(str.strip, quotes):
        place = find_quote(quote, passage.text)
        if place is None:
            raise Refused("quote_not_in_passage", quote=quote)
        places.append(place)
    if not places:
        raise Refused("no_quote")
    found = [
        Citation(quote=passage.text[start:end], document=item.document.id, passage=passage.id, start=start, end=end)
        for start, end in dict.fromkeys(places)
    ]
    return [c for c in found if len(c.quote.split()) >= FEWEST_WORDS] or found


def check_reasoning(reasoning: str, answer: str) -> str:
    """The reasoning as it stands without the passage at hand; sentences about the passage or the question go. Raises
    Refused where nothing is left, or nothing that stands by itself."""
    sentences = [_without_lead_in(s) for s in _SENTENCE.split(reasoning.strip())]
    leaning = [found.group() for s in sentences if (found := _LEANS.search(s))]
    text = " ".join(s for s in sentences if not _LEANS.search(s) and not _META.search(s))
    if len(text.split()) < FEWEST_STEPS or plain(text) == plain(answer):
        raise Refused("reasoning_not_self_contained", words=leaning[0]) if leaning else Refused("no_reasoning")
    return text


def _without_lead_in(sentence: str) -> str:
    """A sentence that begins with "The passage states that" begins with what it states."""
    found = _LEAD_IN.match(sentence)
    if not found:
        return sentence
    mark, first = found.groups()
    rest = sentence[found.end() :]
    if mark:
        # The quotation marks go together; without a closing one the sentence is taken as it is.
        inner, closing, after = rest.partition(_CLOSING[mark])
        while closing and after[:1].isalnum():
            more, closing, after = after.partition(_CLOSING[mark])
            inner += _CLOSING[mark] + more
        rest = inner + after
    return first.upper() + rest
