"""Statements that a text bears out or contradicts, made of its sentences only where that is sure.

A true one is a main clause as it stands. A false one has one fact changed in a sentence that states it flatly: another
quantity, the contrary of a word, or a negation put in or taken out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from zoo.api import Task
from zoo.artifact import digest_text

from .patterns import _LEANING, _NUMBER, _stands
from .sentences import Sentence, Spelling
from .wordings import ask

LONGEST = 28  # words of a statement

# A clause before one of these holds whatever comes after.
_JOINT = re.compile(r"(?:, whereas |, while |, although |; however, |; (?!provided|except|unless|and |or |but |if |in which))|, but (?!only|not|if|unless|when|for|after|until|rather|also|in\b|by\b|to\b|with\b)")
# What it points to stands in another sentence.
_POINTS = re.compile(r"\b(?:such an?\b|this\b|that\.|these\b|those\.|it\.|them\.|latter\b|former\b|respectively\b)")
# An order is neither true nor false.
_ORDERS = re.compile(
    r"(?:Use|Report|Give|Check|Take|Keep|Avoid|Start|Stop|Place|Apply|Hold|Do|Be|Make|Write|Store|Add|Ask|Monitor|Note|Remember|Ensure|"
    r"Administer|Assess|Observe|Let|See|Find|Calculate|Determine|Inform|Teach|Offer|Refer|Measure|Record|Repeat|Wash|Wear|Read|Compare|"
    r"Discontinue|Instruct|Advise|Contact|Obtain|Select|Choose|Set|Put|Turn|Move|Show|Prepare|Perform|Please)\b"
)
# A condition, a view or a question: what it says is not said flatly.
_NOT_FLAT = re.compile(
    r"\b(?:if|unless|whether|would|could|might|may|can|should|suppose|assume|imagine|consider|perhaps|probably|likely|possibly|possible|"
    r"appears?|seems?|suggests?|believed?|thought|said|reported|claims?|argue[sd]?|hypothes\w+|estimated|expected|supposed|"
    r"usually|often|sometimes|generally|typically|mainly|mostly|normally|commonly|frequently|occasionally|largely|primarily|almost|nearly|"
    r"some|most|many|few|several|any|all|every|each|both|either|neither|nor|only|also|even|just|still|except|always|ever|otherwise|"
    r"or|and/or|then|thus|therefore|instead|again|so|for example|such as|when|while|where|until|once|after|before|however|although|though|but|than)\b",
    re.I,
)
# A number that is a bound or rounded: another number may be no contradiction.
_BOUND = re.compile(
    r"\b(?:more|less|fewer|greater|higher|lower|over|under|above|below|least|most|minimum|maximum|up to|within|about|around|approximately|"
    r"roughly|nearly|almost|some|exceed\w*|beyond|between|from|to|at|or|to|per|every|another|further|additional|later|earlier|ago|"
    r"after|before|until|younger|older|than|limit\w*)\W+(?:[\w-]+\W+){0,3}$",
    re.I,
)
_NEGATED = re.compile(r"\b(?:not|no|never|nor|neither|none|without|cannot|hardly|rarely|seldom|scarcely|lacks?|absen\w+|\w+n't|\w+n’t|fails?|unlike)\b", re.I)
_CONTRARY = {
    "increases": "decreases", "increased": "decreased", "decreases": "increases", "decreased": "increased", "raises": "lowers",
    "lowers": "raises", "higher": "lower", "larger": "smaller", "smaller": "larger", "faster": "slower", "slower": "faster",
    "longer": "shorter", "shorter": "longer", "highest": "lowest", "lowest": "highest", "largest": "smallest",
    "smallest": "largest", "greatest": "smallest", "stronger": "weaker",
    "weaker": "stronger", "accelerates": "slows", "strengthens": "weakens", "weakens": "strengthens", "widens": "narrows",
    "always": "never", "never": "always", "rises": "falls", "falls": "rises",
    "older": "younger", "younger": "older", "heavier": "lighter", "lighter": "heavier", "excludes": "includes",
    "permits": "forbids", "prohibits": "permits",
    "dilates": "constricts", "constricts": "dilates", "contracts": "expands", "inhibits": "stimulates", "stimulates": "inhibits",
    "gains": "loses", "absorbs": "releases", "releases": "absorbs", "ascending": "descending",
}  # fmt: skip
_CONTRARY_WORDS = re.compile(rf"\b(?:{'|'.join(_CONTRARY)})\b")
_COPULA = re.compile(r"^(?P<subject>[^,;:()]{3,60}?) (?P<verb>is|are|was|were|must|shall) (?P<rest>.+)$")
_UNDENIED = re.compile(r" (?:is|are|was|were|must|shall|does|do|did) (?P<no>not )")


def claims(sentence: Sentence, spelling: Spelling) -> Iterator[Task]:
    """At most one statement of a sentence, true or false as its own text decides where it could be either."""
    text = sentence.text
    if _POINTS.search(text) or _ORDERS.match(text):
        return
    true, false = _clause(text), _changed(text)
    if true and (false is None or _coin(text)):
        yield ask("claim", text, text, f"Yes. {text}", what=_capital(true))
    elif false:
        yield ask("claim", text, text, f"No. {text}", what=false)


def _coin(text: str) -> bool:
    return int(digest_text(text)[:4], 16) % 2 == 0


def _clause(text: str) -> str | None:
    """The first main clause of a sentence of several, which holds by itself."""
    found = _JOINT.split(text, maxsplit=1)
    clause = found[0].removesuffix(".").rstrip(",;")
    if len(found) < 2 or not _stands(clause) or len(clause.split()) > LONGEST or ":" in clause:
        return None
    if re.search(r"\b(?:whereby|wherein|provided that|except as|subject to)\b", clause):
        return None
    opened = clause.count("(") == clause.count(")")
    return f"{clause}." if opened and _FINITE.search(clause) and not _OPENS.match(clause) else None


# Something that holds by itself has a verb; a clause that opens like this leans on the one after it.
_FINITE = re.compile(r"\b(?:is|are|was|were|has|have|had|must|shall|will|does|do|did|becomes?|\w{3,}(?:ed|es))\b|\b(?:causes|means|takes|makes|gives)\b")
_OPENS = re.compile(r"(?:\w+ing\b|Although|Though|While|Whereas|Unlike|Despite|If|When|Because|Since|As|Unless|Until|After|Before|Rather|Whether|Even)\b")


def _changed(text: str) -> str | None:
    """The sentence with one fact changed so that both cannot be true."""
    words = text.split()
    if len(words) > LONGEST or not _stands(text) or words[0].lower() in _LEANING or re.search(r"[(;:]", text):
        return None
    for change in (_other_number, _contrary, _undenied, _denied):
        if (found := change(text)) and found != text:
            return found
    return None


def _other_number(text: str) -> str | None:
    numbers = list(_NUMBER.finditer(text))
    if len(numbers) != 1 or len(re.findall(r"\d+(?:[.,]\d+)*", text)) != 1 or _NEGATED.search(text):
        return None
    place = numbers[0]
    if _BOUND.search(text[: place.start()]) or _NOT_FLAT.search(text) or re.match(r"\s*(?:or|to|and)\b", text[place.end() :]):
        return None
    digits = re.search(r"\d[\d,]*(?:\.\d+)?", place.group())
    assert digits
    value = float(digits.group().replace(",", ""))
    percent = bool(re.search(r"percent|per ?cent|%", place.group()))
    factors = (2, 3, 0.5) if not percent or value <= 33 else (0.5, 0.25)
    other = value * factors[len(text) % len(factors)]
    if digits.group().isdigit() or "," in digits.group():
        if other != int(other) or int(other) in {0, 1}:
            other = value * 2 if not (percent and value > 50) else value - 20
        shown = f"{int(other):,}" if "," in digits.group() else str(int(other))
    else:
        shown = f"{other:g}"
    unit = place.group()[digits.end() :]
    if value == 1:  # its unit would have to become a plural
        return None
    return text[: place.start()] + place.group()[: digits.start()] + shown + unit + text[place.end() :]


def _contrary(text: str) -> str | None:
    found = list(_CONTRARY_WORDS.finditer(text))
    if len(found) != 1 or _NEGATED.search(text.replace("never", "")) or _NOT_FLAT.search(text.replace("always", "").replace("than", "")):
        return None
    place = found[0]
    other = _CONTRARY[place.group()]
    before, after = text[: place.start()], text[place.end() :]
    if re.search(r"\b(?:no|the|any|too|much|far|as)\s$", before) and other in {"shorter", "lower"} and before.endswith("no "):
        return None
    if article := re.search(r"\b([Aa])n? $", before):
        before = before[: article.start()] + article.group(1) + ("n " if other[0] in "aeiou" else " ")
    return before + other + after


def _undenied(text: str) -> str | None:
    """A negation taken out of a sentence that is nothing but denied."""
    found = _UNDENIED.search(text)
    rest = text.replace("not ", "", 1)
    if not found or _NEGATED.search(rest) or _NOT_FLAT.search(text) or re.search(r",| and | because | that | which | who | whose ", text):
        return None
    if re.search(r" (?:does|do|did) not ", text) or re.search(r"not (?:necessarily|enough|yet|fully|entirely|quite|very|as|so)\b", text):
        return None
    return text[: found.start("no")] + text[found.end("no") :]


def _denied(text: str) -> str | None:
    """A short flat statement with a `not`."""
    found = _COPULA.match(text)
    if not found or _NEGATED.search(text) or _NOT_FLAT.search(text) or len(text.split()) > 18:
        return None
    subject, rest = found["subject"], found["rest"]
    if re.search(r",| and | because | so | due to ", text) or re.match(r"(?:that|how|to|what|whether|why|where)\b", rest):
        return None
    if re.search(r"\b(?:that|which|who|whose|how|what|why|where|whether|it|they|we|this|these)\b", subject, re.I):
        return None
    return f"{found['subject']} {found['verb']} not {found['rest']}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
