"""Tasks mined from single sentences: what something is, why something is so, the conclusion drawn, and what is missing.

The idea is AdaptLLM's (Cheng et al., arXiv 2309.09530): connectives and copulas show where a text itself holds a question
and its answer. A pattern that would be right most of the time is not enough: it takes a sentence only where it is sure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from zoo.api import Task

from .sentences import Sentence, Spelling
from .vocabulary import (
    GENERA,
    HANGING,
    LEANING,
    NO_GENUS,
    NUMBER,
    PRONOUNS,
    RELATING,
    RELATIVE,
    ROLES,
    TURNS,
    VERBS,
)  # fmt: skip
from .wordings import ask, sentence_of

_TERM = r"(?:(?:A|An) )?[^\W_][\w’'-]*(?: (?:of )?[\w’'-]+){0,4}?(?: \([\w-]+\))?"
_IS = re.compile(rf"^(?P<term>{_TERM}) (?P<verb>is|are) (?P<what>(?:an?|any|one of the|the {GENERA}) .+)\.$")
_MEANS = re.compile(rf"^(?P<term>{_TERM}) (?P<verb>is|are) (?:defined as|understood as|the term for) (?P<what>.+)\.$")
_REFERS = re.compile(rf"^(?:The (?:term|word|concept|phrase) )?(?P<term>{_TERM}) refers? to (?P<what>.+)\.$")
_CALLED = re.compile(
    r"^(?P<what>(?:The|An?) [^,;:]+?) (?:is|are) (?:called|termed|known as) "
    r"(?:the |an? )?(?P<term>[\w’'-]+(?: [\w’'-]+){0,3})\.$"
)
_NO_GENUS = re.compile(
    r"^(?:an?|any|one of the) (?:(?:very|more|most|less|least|highly|particularly|relatively|rather|quite|fairly|extremely) )?"
    rf"{NO_GENUS}\b",
    re.I,
)
_RELATING = re.compile(rf"\b{RELATING}\b")
_RELATIVE = re.compile(rf"^The (?:{RELATIVE}\b|(?:\w+ )?{ROLES}s?$)")
_REFERRAL = re.compile(r"\b(?:patient|specialist|hospital|court|committee)s?\b")  # who are referred, and to whom

_BECAUSE = re.compile(
    r"^(?P<effect>[^;:]+?),? (?:because|since (?=the\b|it\b|they\b|an?\b)) ?(?!of\b)(?P<cause>[^;:]+)\.$"
)
_BECAUSE_OF = re.compile(r"^(?P<effect>[^;:,]+?),? (?P<cause>(?:because of|due to|owing to) [^;:,]+)\.$")
_BECAUSE_FIRST = re.compile(r"^Because (?!of\b)(?P<cause>[^,;:]+), (?P<effect>[^,;:]+)\.$")
_SO = re.compile(
    r"^(?P<cause>[^,;:]+), (?:and )?so "
    r"(?P<effect>(?!(?:that|far|on|as|called|much|many|long|too|do|does|is|are)\b)[^,;:]+)\.$"
)
_REASONS = ((_BECAUSE_FIRST, "reason"), (_BECAUSE, "reason"), (_BECAUSE_OF, "reason_of"), (_SO, "result"))
_CONNECTIVE = re.compile(r"\b(?:because|since|so|due to|owing to)\b", re.I)
_THEREFORE = re.compile(
    r"^(?:Therefore|As a (?:result|consequence)|Consequently|For (?:this|that) reason|Accordingly|Hence),? (?P<effect>[^;:]+)\.$"
)
_CAUSES = re.compile(
    rf"^(?P<cause>{_TERM}) (?P<verb>(?:can |may |could )?(?:cause|lead to|result in)|causes|leads to|results in) "
    r"(?P<effect>[^;:]+)\.$"
)
_CAUSED_BY = re.compile(rf"^(?P<effect>{_TERM}) (?:is|are|may be|can be) (?:\w+ly )?caused by (?P<cause>[^;:]+)\.$")
_HANGING = re.compile(rf"\b{HANGING}$")
# A further clause, of which nobody knows whether the reason is its own.
_BRANCHES = re.compile(r",? (?:which|who|where|when)\b|, (?:and|or|then|if)\b")

_CONCLUSION = re.compile(
    r"^(?:In (?:summary|conclusion|short|sum|brief)|To (?:summarize|summarise|conclude|sum up)|Taken together),? (?P<what>.+)$"
)
_RANGE = re.compile(r"\d\S* (?:to|or|and|by|\w+ and) $")


def definitions(sentence: Sentence, spelling: Spelling) -> Iterator[Task]:
    text = sentence.text
    if found := _CALLED.match(text):
        what, term = found["what"], found["term"]
        if stands(what) and not VERBS & set(term.split()) and len(what.split()) <= 25:
            yield ask("name", text, text, term, what=what[0].lower() + what[1:])
        return
    found = _MEANS.match(text) or _REFERS.match(text) or _IS.match(text)
    if found is None or not _names(found["term"]) or len(found["what"].split()) < 4:
        return
    what = found["what"]
    if found.re is _IS and not _is_genus(what, many=found["verb"] == "are"):
        return
    if found.re is _REFERS and _REFERRAL.search(what):
        return
    term = spelling.inside(found["term"])
    if term is None:
        yield ask("definition_of", text, text, text, term=re.sub(r"^An? ", "", found["term"]))
    else:
        yield ask("definition", text, text, text, term=term, verb=found.groupdict().get("verb") or "is")


def _is_genus(what: str, many: bool) -> bool:
    """Whether it says what something is, and no more: "a kind of bird that ..." and not "a good choice", nor of `many`
    things "a switch to another"."""
    if _NO_GENUS.match(what) or not _RELATING.search(what) or re.search(r"[;:]|, (?:and|but) ", what):
        return False
    return not many or bool(re.match(r"(?:any|one of the|the|an? (?:group|kind|type|class|family|set|form)) ", what))


def _names(term: str) -> bool:
    """Whether a sentence's first words name something, and are no clause and no pronoun."""
    if _RELATIVE.match(term):
        return False
    words = term.lower().replace("(", "").split()
    rest = words[1:] if words[0] in {"a", "an", "the"} else words
    return bool(rest) and rest[0] not in LEANING and not VERBS & set(rest) and not rest[0].endswith("ly")


def stands(clause: str) -> bool:
    """Whether a clause says by itself what it is about."""
    words = clause.lower().split()
    opens = {w.strip(",") for w in words[:4]}
    return (
        len(words) >= 4 and words[0].strip(",") not in LEANING and not opens & PRONOUNS and not _HANGING.search(clause)
    )


def causes(sentence: Sentence, spelling: Spelling) -> Iterator[Task]:
    text = sentence.text
    for pattern, wording in _REASONS:
        if (found := pattern.match(text)) and len(_CONNECTIVE.findall(text)) == 1:
            yield from _reason(text, wording, found["effect"], found["cause"], whole=pattern is _BECAUSE_FIRST)
            return
    if found := _THEREFORE.match(text):
        before = sentence.before.rstrip(".")
        if before and stands(before):
            yield ask("result", text, f"{sentence.before} {text}", found["effect"], what=before)
    elif found := _CAUSED_BY.match(text):
        effect = spelling.inside(found["effect"])
        if effect and _names(found["effect"]) and not TURNS.search(found["cause"]):
            yield ask("caused_by", text, text, found["cause"], what=effect)
    elif found := _CAUSES.match(text):
        cause, effect = spelling.inside(found["cause"]), found["effect"]
        if (
            not cause
            or not _names(found["cause"])
            or TURNS.search(effect)
            or effect.split()[0] in VERBS | {"include", "of"}
        ):
            return
        if question := _effect_question(cause, found["verb"]):
            yield ask("effect", text, text, effect, question=question)


def _reason(text: str, wording: str, effect: str, cause: str, whole: bool) -> Iterator[Task]:
    """A task of two clauses, where nothing else is tied to either; `whole` is an effect that ends the sentence."""
    if any(p.search(clause) for p in (TURNS, _BRANCHES) for clause in (effect, cause)) or len(cause.split()) < 3:
        return
    if wording == "result":
        if stands(cause) and len(effect.split()) >= 4:
            yield ask("result", text, text, effect, what=cause)
    elif stands(effect) or (whole and len(effect.split()) >= 4):
        yield ask(wording, text, text, cause, what=sentence_of(effect)[:-1])


def _effect_question(cause: str, verb: str) -> str | None:
    first, _, rest = verb.partition(" ")
    if first in {"can", "may", "could"}:
        return f"What {first} {cause} {rest}?"
    plural = cause.endswith("s") and not cause.endswith(("ss", "is", "us"))
    if plural == first.endswith("s"):  # a noun took the verb's place: "A secondary cause is found ..."
        return None
    return f"What {'do' if plural else 'does'} {cause} {first.rstrip('s')}{' ' + rest if rest else ''}?"


def conclusions(sentence: Sentence, spelling: Spelling) -> Iterator[Task]:
    found = _CONCLUSION.match(sentence.text)
    if found and len(found["what"].split()) >= 6:
        yield ask("conclusion", sentence.text, sentence.text, sentence.text)


def clozes(sentence: Sentence, spelling: Spelling) -> Iterator[Task]:
    """A quantity left out; the end of a range alone is none."""
    text = sentence.text
    if not stands(text) or len(text.split()) < 8:
        return
    if found := [n for n in NUMBER.finditer(text) if not _RANGE.search(text[: n.start()])]:
        gap = found[len(text) % len(found)]
        yield ask("cloze", text, text, gap.group(), what=f"{text[: gap.start()]}____{text[gap.end() :]}")


MINERS: tuple[Callable[[Sentence, Spelling], Iterator[Task]], ...] = (definitions, causes, conclusions, clozes)
