"""Statements that a text bears out or contradicts, made of its sentences only where that is sure.

A true one is a main clause as it stands. A false one has one fact changed in a sentence that states it flatly: another
quantity, the contrary of a word, or a negation put in or taken out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from zoo.api import Task
from zoo.artifact import digest_text

from .patterns import stands
from .sentences import Sentence, Spelling
from .vocabulary import BOUND, CONTRARY, NEGATED, NOT_FLAT, NUMBER, ORDERS
from .wordings import ask

LONGEST = 28  # words of a statement
_SHORT = 18  # of one that a `not` is put into

# A clause before one of these holds whatever comes after.
_JOINT = re.compile(
    r"(?:, whereas |, while |, although |; however, |; (?!provided|except|unless|and |or |but |if |in which))"
    r"|, but (?!only|not|if|unless|when|for|after|until|rather|also|in\b|by\b|to\b|with\b)"
)
# What it points to stands in another sentence.
_POINTS = re.compile(r"\b(?:such an?\b|this\b|that\.|these\b|those\.|it\.|them\.|latter\b|former\b|respectively\b)")
# What holds by itself has a verb; a clause that opens like this leans on the one after it.
_FINITE = re.compile(
    r"\b(?:is|are|was|were|has|have|had|must|shall|will|does|do|did|becomes?|causes|means|takes|makes|gives|\w{3,}(?:ed|es))\b"
)
_OPENS = re.compile(
    r"(?:\w+ing|Although|Though|While|Whereas|Unlike|Despite|If|When|Because|Since|As|Unless|Until|After|Before|Rather"
    r"|Whether|Even)\b"
)
_RESERVED = re.compile(r"\b(?:whereby|wherein|provided that|except as|subject to)\b")
_TIED = re.compile(r",| and | because | so | due to ")  # of what a negation is put in, nothing else should hang
_COPULA = re.compile(r"^(?P<subject>[^,;:()]{3,60}?) (?P<verb>is|are|was|were|must|shall) (?P<rest>.+)$")
_CLAUSE = re.compile(r"\b(?:that|which|who|whose|how|what|why|where|whether|it|they|we|this|these)\b", re.I)
_WH = re.compile(r"(?:that|how|to|what|whether|why|where)\b")
_NOT = re.compile(
    r" (?:is|are|was|were|must|shall) (?P<no>not )(?!(?:necessarily|enough|yet|fully|entirely|quite|very|as|so)\b)"
)
_PERCENT = re.compile(r"percent|per ?cent|%")


def claims(sentence: Sentence, spelling: Spelling) -> Iterator[Task]:
    """At most one statement of a sentence; which, where both could be made, is drawn."""
    text = sentence.text
    if _POINTS.search(text) or ORDERS.match(text):
        return
    true, false = _clause(text), _changed(text)
    if true and (false is None or int(digest_text(text)[:4], 16) % 2):
        yield ask("claim", text, text, f"Yes. {text}", what=true)
    elif false:
        yield ask("claim", text, text, f"No. {text}", what=false)


def _clause(text: str) -> str | None:
    """The first main clause of a sentence of several, which holds by itself."""
    clause, *more = _JOINT.split(text, maxsplit=1)
    clause = clause.rstrip(",;")
    if not more or not stands(clause) or len(clause.split()) > LONGEST or ":" in clause:
        return None
    if _RESERVED.search(clause) or _OPENS.match(clause) or clause.count("(") != clause.count(")"):
        return None
    return f"{clause}." if _FINITE.search(clause) else None


def _changed(text: str) -> str | None:
    """The sentence with one fact changed so that both cannot be true."""
    if len(text.split()) > LONGEST or not stands(text) or re.search(r"[(;:]", text):
        return None
    return next((found for change in (_other_number, _contrary, _undenied, _denied) if (found := change(text))), None)


def _other_number(text: str) -> str | None:
    places = list(NUMBER.finditer(text))
    if (
        len(places) != 1
        or len(re.findall(r"\d+(?:[.,]\d+)*", text)) != 1
        or NEGATED.search(text)
        or NOT_FLAT.search(text)
    ):
        return None
    before, quantity, after = text[: places[0].start()], places[0].group(), text[places[0].end() :]
    digits = re.search(r"\d[\d,]*(?:\.\d+)?", quantity)
    if BOUND.search(before) or digits is None or (other := _other(digits.group(), quantity, len(text))) is None:
        return None
    return before + quantity[: digits.start()] + other + quantity[digits.end() :] + after


def _other(digits: str, quantity: str, draw: int) -> str | None:
    """Another value in the same spelling, far from the first and as possible as it; None of a 1, whose unit is a
    singular."""
    value = float(digits.replace(",", ""))
    if value == 1:
        return None
    factors = (0.5, 0.25) if _PERCENT.search(quantity) and value > 33 else (2, 3, 0.5)
    other = value * factors[draw % len(factors)]
    if "." in digits:
        return f"{other:g}"
    if other != int(other) or other < 2:
        other = value * 2 if factors[0] == 2 else value - 20
    return f"{int(other):,}" if "," in digits else str(int(other))


def _contrary(text: str) -> str | None:
    places = [m for m in re.finditer(r"\w+", text) if m.group() in CONTRARY]
    if len(places) != 1:
        return None
    place = places[0]
    before, after, other = text[: place.start()], text[place.end() :], CONTRARY[place.group()]
    # `than` belongs to a comparison, and `always` and `never` are words of the pairs themselves.
    rest = f"{before}{after}".replace(" than ", " ")
    if NEGATED.search(rest) or NOT_FLAT.search(rest):
        return None
    if article := re.search(r"\b([Aa])n? $", before):
        before = f"{before[: article.start()]}{article.group(1)}{'n' if other[0] in 'aeiou' else ''} "
    return before + other + after


def _undenied(text: str) -> str | None:
    """A sentence that only denies, without its negation."""
    found = _NOT.search(text)
    if found is None or NOT_FLAT.search(text) or _TIED.search(text) or re.search(r" (?:that|which|who|whose) ", text):
        return None
    plain = text[: found.start("no")] + text[found.end("no") :]
    return None if NEGATED.search(plain) else plain


def _denied(text: str) -> str | None:
    """A short flat statement with a `not`."""
    found = _COPULA.match(text)
    if (
        found is None
        or len(text.split()) > _SHORT
        or NEGATED.search(text)
        or NOT_FLAT.search(text)
        or _TIED.search(text)
    ):
        return None
    if _WH.match(found["rest"]) or _CLAUSE.search(found["subject"]):
        return None
    return f"{found['subject']} {found['verb']} not {found['rest']}"
