"""Tasks mined from single sentences: what something is, why something is so, the conclusion drawn, and what is missing.

The idea is AdaptLLM's (Cheng et al., arXiv 2309.09530): connectives and copulas show where a text itself holds a question
and its answer. A pattern that would be right most of the time is not enough: it takes a sentence only where it is sure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from zoo.api import Task

from .sentences import Sentence, Spelling
from .wordings import ask, sentence_of

# A subject that says by itself what it is.
_LEANING = frozenset(
    "this that these those it they he she we you i there here what which who whom whose some most many much few several other "
    "others another such each every all both either neither no one two three four five any none nothing something anything if "
    "when while although though because since as after before during in on at by for with without to from under over of and but "
    "or so yet then thus hence therefore however also only not first second third next finally last its their his her our your "
    "my more less same latter former today now further".split()
)
_PRONOUNS = frozenset("it they them he she this these those".split())
_VERBS = frozenset(
    "is are was were be been being has have had do does did can could may might must shall should will would that which who "
    "whose where when if because while although than and or but not as to by with for from at on".split()
)
_TERM = r"(?:(?:A|An) )?[^\W_][\w’'-]*(?: (?:of )?[\w’'-]+){0,4}?(?: \([\w-]+\))?"
_IS = re.compile(
    rf"^(?P<term>{_TERM}) (?P<verb>is|are) (?P<what>(?:an?|any|one of the|the (?:process|study|state|condition|ability|loss"
    r"|presence|absence|amount|number|set|branch|name|term|movement|formation|practice|science|study|measure|ratio|rate|degree"
    r"|sum|act|art|use|transfer|tendency|period|time|region|space|force|energy|part of|layer|body of|inability|failure|removal"
    r"|breakdown|flow|volume|mass|distance|spread|growth|change|capacity|extent|idea|belief|right|subset|effort)) .+)\.$"
)
_MEANS = re.compile(rf"^(?P<term>{_TERM}) (?P<verb>is|are) (?:defined as|understood as|the term for) (?P<what>.+)\.$")
_REFERS = re.compile(
    rf"^(?:The (?:term|word|concept|phrase) )?(?P<term>{_TERM}) (?:refers?|referred) to (?P<what>.+)\.$"
)
_CALLED = re.compile(r"^(?P<what>(?:The|An?) [^,;:]+?) (?:is|are) (?:called|termed|known as) (?P<term>(?:the |an? )?[\w’'-]+(?: [\w’'-]+){0,3})\.$")
# What says how good, frequent or important something is does not say what it is.
_NO_DEFINITION = re.compile(
    r"^(?:an?|any|one of the)\s+(?:(?:very|more|most|less|least|highly|particularly|relatively|rather|quite|fairly|extremely)\s+)?"
    r"(?:common|frequent|rare|major|minor|main|leading|important|key|good|better|best|useful|reasonable|strong|weak|possible|likely|"
    r"potential|powerful|significant|serious|severe|critical|crucial|vital|essential|necessary|new|big|great|large|small|real|"
    r"recommended|first|second|third|last|further|similar|different|special|well-known|simple|natural|safe|poor|bad|little|lot|few|"
    r"number|bit|must|matter|result|consequence|cause|sign|symptom|reason|example|problem|question|alternative|contraindication|"
    r"option|choice|risk|warning|marker|predictor|feature|step|goal|target|challenge|concern|priority|way|means|case|complication|"
    r"exception|measure|clinical diagnosis|function|factor|sufficient|central|fundamental|prime|primary|late|early|true|valid|party|plus|better|day|week|month)"
    r"\b",
    re.I,
)
# "The aim is ..." says what the aim is here, not what an aim is.
_RELATIVE_TO_THE_TEXT = re.compile(
    r"^The (?:(?:most|main|best|usual|typical|next|only|other|key|limiting|likely|correct|right|final|resulting|first|last|new|present|current|"
    r"whole|remaining|overall|primary|major)\b|(?:\w+ )?(?:aim|goal|purpose|cause|reason|result|effect|answer|treatment|choice|drug|alternative|"
    r"reliever|risk|target|outcome|rest|condition|disease|disorder|syndrome|test|patient|difference|problem|factor|point|idea|rule|exception|"
    r"case|study|group|method|model|system used|value|number|amount|agent|medicine|medication|party|agreement|company)s?$)"
)
_RELATING = re.compile(
    r"\b(?:that|which|who|whose|where|of|caused|characterized|characterised|used|made|found|formed|given|between|produced|"
    r"composed|consisting|containing|in which|by which|marked|defined|designed|named|located|for|from)\b"
)

_BECAUSE = re.compile(r"^(?P<effect>[^;:]+?),? (?:because|since (?=the\b|it\b|they\b|an?\b)) ?(?!of\b)(?P<cause>[^;:]+)\.$")
_BECAUSE_OF = re.compile(r"^(?P<effect>[^;:,]+?),? (?P<cause>(?:because of|due to|owing to) [^;:,]+)\.$")
_BECAUSE_FIRST = re.compile(r"^Because (?!of\b)(?P<cause>[^,;:]+), (?P<effect>[^,;:]+)\.$")
_SO = re.compile(r"^(?P<cause>[^,;:]+), (?:and )?so (?P<effect>(?!that\b|far\b|on\b|as\b|called\b|much\b|many\b|long\b|too\b|do\b|does\b|is\b|are\b)[^,;:]+)\.$")
_THEREFORE = re.compile(r"^(?:Therefore|As a result|Consequently|For this reason|For that reason|As a consequence|Accordingly|Hence),? (?P<effect>[^;:]+)\.$")
_CAUSES = re.compile(
    rf"^(?P<cause>{_TERM}) (?P<verb>can cause|may cause|could cause|causes?|can lead to|may lead to|leads? to|results? in|can result in"
    r"|may result in) (?P<effect>[^;:]+)\.$"
)
_CAUSED_BY = re.compile(rf"^(?P<effect>{_TERM}) (?P<verb>is|are|may be|can be) (?:\w+ly )?caused by (?P<cause>[^;:]+)\.$")
# These words belong to what comes after them.
_HANGING = re.compile(
    r"\b(?:not|only|just|mainly|mostly|partly|largely|simply|probably|perhaps|possibly|merely|chiefly|either|or|and|but|is|are|was|were|"
    r"be|it|this|than|especially|particularly|even|often|usually|\w+ly)$"
)
_TURNS = re.compile(r",? (?:but|so|while|whereas|although|though|and (?:therefore|thus|so|hence)|unless|because|since|however|yet)\b")

# A further clause, of which nobody knows whether the reason is its own.
_BRANCHES = re.compile(r",? (?:which|who|where|when)\b|, (?:and|or|then|if)\b")

_CONCLUSION = re.compile(r"^(?:In (?:summary|conclusion|short|sum|brief)|To (?:summarize|summarise|conclude|sum up)|Taken together),? (?P<what>.+)$")

_UNIT = (
    r"(?:percent|per ?cent|%|mg|g|kg|µg|mcg|micrograms?|grams?|ml|mL|L|liters?|litres?|mm|cm|km|m|meters?|metres?|kilometers?|mmol|mEq|mmHg|"
    r"seconds?|minutes?|hours?|days?|weeks?|months?|years?|times|degrees|°C|°F|kJ|J|joules|eV|MeV|Hz|kHz|MHz|dollars|"
    r"patients|people|participants|points?|doses?|cells?|joints?|beats|members|Members|Senators|Representatives|States|votes|business days)"
)
_NUMBER = re.compile(rf"(?<![\w.,/–-])(?:\$\d[\d,.]*\d|\d+(?:,\d{{3}})*(?:\.\d+)?\s?{_UNIT})(?![\w/^–-])")


def definitions(sentence: Sentence, spelling: Spelling) -> Iterator[Task]:
    text = sentence.text
    if found := _CALLED.match(text):
        what, term = found["what"], found["term"]
        if _stands(what) and not _VERBS & set(term.split()) and 4 <= len(what.split()) <= 25:
            inner = what[0].lower() + what[1:]
            yield ask("name", text, text, term.removeprefix("the ").removeprefix("an ").removeprefix("a "), what=inner)
        return
    found = _MEANS.match(text) or _REFERS.match(text) or _IS.match(text)
    if found is None or not _names(found["term"]) or len(found["what"].split()) < 4:
        return
    what = found["what"]
    if found.re is _IS and (_NO_DEFINITION.match(what) or not _RELATING.search(what) or re.search(r"[;:]|, (?:and|but) ", what)):
        return
    if found.re is _REFERS and re.search(r"\b(?:the patient|a specialist|hospital|court|committee)\b", found["what"]):
        return
    term = spelling.inside(found["term"])
    verb = "are" if found.groupdict().get("verb") == "are" else "is"
    if term is None:
        yield ask("definition_of", text, text, text, term=re.sub(r"^An? ", "", found["term"]))
    else:
        yield ask("definition", text, text, text, term=term, verb=verb)


def _names(term: str) -> bool:
    """Whether a sentence's first words name something, and are no clause and no pronoun."""
    if _RELATIVE_TO_THE_TEXT.match(term):
        return False
    words = term.lower().replace("(", "").split()
    rest = words[1:] if words[0] in {"a", "an", "the"} else words
    return bool(rest) and rest[0] not in _LEANING and not _VERBS & set(rest) and not rest[0].endswith("ly")


def _stands(clause: str) -> bool:
    """Whether a clause says by itself what it is about."""
    words = clause.lower().split()
    opens = {w.strip(",") for w in words[:4]}
    return len(words) >= 4 and words[0].strip(",") not in _LEANING and not opens & _PRONOUNS and not _HANGING.search(clause)


def causes(sentence: Sentence, spelling: Spelling) -> Iterator[Task]:
    text = sentence.text
    for pattern, name in ((_BECAUSE_FIRST, "reason"), (_BECAUSE, "reason"), (_BECAUSE_OF, "reason"), (_SO, "result")):
        found = pattern.match(text)
        if found is None or len(re.findall(r"\b(?:because|since|so|due to|owing to)\b", text, re.I)) != 1:
            continue
        effect, cause = found["effect"], found["cause"]
        if _TURNS.search(effect) or _TURNS.search(cause) or len(cause.split()) < 3 or _BRANCHES.search(effect) or _BRANCHES.search(cause):
            return
        if name == "reason":
            if _stands(effect) or pattern is _BECAUSE_FIRST and len(effect.split()) >= 4:
                yield ask("reason_of" if pattern is _BECAUSE_OF else "reason", text, text, cause, what=sentence_of(effect)[:-1])
        elif _stands(cause) and len(effect.split()) >= 4:
            yield ask("result", text, text, effect, what=cause)
        return
    if found := _THEREFORE.match(text):
        if sentence.before and _stands(sentence.before.rstrip(".")):
            yield ask("result", text, text, found["effect"], what=sentence.before.rstrip("."))
        return
    if found := _CAUSED_BY.match(text):
        effect = spelling.inside(found["effect"])
        if effect and _names(found["effect"]) and not _TURNS.search(found["cause"]):
            yield ask("caused_by", text, text, found["cause"], what=effect)
    elif found := _CAUSES.match(text):
        cause = spelling.inside(found["cause"])
        if cause and _names(found["cause"]) and not _TURNS.search(found["effect"]) and found["effect"].split()[0] not in _VERBS | {"include", "includes", "of"}:
            if question := _effect_question(cause, found["verb"]):
                yield ask("effect", text, text, found["effect"], question=question)


def _effect_question(cause: str, verb: str) -> str | None:
    first, _, rest = verb.partition(" ")
    if first in {"can", "may", "could"}:
        return f"What {first} {cause} {rest}?"
    plural = cause.endswith("s") and not cause.endswith(("ss", "is", "us"))
    if plural == first.endswith("s"):  # a noun took the verb's place: "A secondary cause is found ..."
        return None
    does = "do" if plural else "does"
    return f"What {does} {cause} {first.rstrip('s')}{' ' + rest if rest else ''}?"


def conclusions(sentence: Sentence, spelling: Spelling) -> Iterator[Task]:
    found = _CONCLUSION.match(sentence.text)
    if found and len(found["what"].split()) >= 6:
        yield ask("conclusion", sentence.text, sentence.text, sentence.text)


def clozes(sentence: Sentence, spelling: Spelling) -> Iterator[Task]:
    """A quantity left out."""
    text = sentence.text
    if not _stands(text) or len(text.split()) < 8:
        return
    # The end of a range alone is no quantity.
    found = [n for n in _NUMBER.finditer(text) if not re.search(r"\d\S* (?:to|or|and|by|\w+ and) $", text[: n.start()])]
    if found:
        gap = found[len(text) % len(found)]
        masked = f"{text[: gap.start()]}____{text[gap.end() :]}"
        yield ask("cloze", text, text, gap.group(), what=masked)


MINERS: tuple[Callable[[Sentence, Spelling], Iterator[Task]], ...] = (definitions, causes, conclusions, clozes)
