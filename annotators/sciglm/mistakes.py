"""Which mistake a wrong solution made, of the three kinds of SciInstruct (arXiv 2401.07950).

A calculation mistake is a false equation, replayed. It is a comprehension mistake where the solution misread what is given
or asked, as far as rules can tell; then what a reflection on it declared counts; else it is false reasoning.
"""

from __future__ import annotations

import re

from zoo.api import Mistake, Question
from zoo.arithmetic import Equation, equations
from zoo.stems import stem
from zoo.verifiers.choice import stated_option
from zoo.verifiers.number import Number, number, numbers_in, stated_number
from zoo.verifiers.number_words import in_digits
from zoo.verifiers.reading import answer_of, final, plain
from zoo.verifiers.yes_no_maybe import yes_no_maybe

# Of two such things a question names one: a solution that speaks of the other alone has misread it.
_PAIRS = (
    ("male", "female"), ("man", "woman"), ("boy", "girl"), ("mother", "father"), ("systolic", "diastolic"),
    ("arterial", "venous"), ("artery", "vein"), ("anode", "cathode"), ("series", "parallel"), ("median", "mean"),
    ("sensitivity", "specificity"), ("incidence", "prevalence"), ("diameter", "radius"), ("mass", "weight"), ("acute", "chronic"),
    ("oxidation", "reduction"), ("mitosis", "meiosis"), ("area", "perimeter"), ("volume", "area"), ("upper", "lower"),
    ("left", "right"), ("maximum", "minimum"), ("largest", "smallest"), ("highest", "lowest"), ("most", "least"),
    ("longest", "shortest"), ("first", "last"), ("before", "after"), ("weekly", "daily"), ("child", "adult"), ("infant", "adult"),
    ("hyperkalaemia", "hypokalaemia"), ("hyperkalemia", "hypokalemia"), ("hyperthyroidism", "hypothyroidism"),
    ("hypertension", "hypotension"), ("hyperglycaemia", "hypoglycaemia"), ("hyperglycemia", "hypoglycemia"),
    ("hypernatraemia", "hyponatraemia"), ("hypernatremia", "hyponatremia"), ("hypercalcaemia", "hypocalcaemia"),
    ("hypercalcemia", "hypocalcemia"),
    ("prokaryotic", "eukaryotic"), ("endothermic", "exothermic"), ("contraindicated", "indicated"), ("bacterial", "viral"),
    ("simplex", "zoster"), ("inspiration", "expiration"), ("agonist", "antagonist"), ("survived", "died"), ("sold", "left"),
    ("spent", "left"),
)  # fmt: skip
_EXCEPT = re.compile(
    r"\b(?:NOT|EXCEPT|LEAST)\b|\b(?:except|least\s+likely|is\s+not|are\s+not|does\s+not|do\s+not|not\s+(?:an?|one)\b)",
    re.M,
)
_NEGATIVE = re.compile(
    r"\b(?:not|except(?:ion)?|least|un\w+|no|never|only|other|rule[sd]?\s+out|exclude[sd]?|without|neither|nor|cannot|lacks?)\b|n't\b",
    re.I,
)
_HOW_MANY = re.compile(
    r"\bhow\s+(?:many|much|long|far|fast|high|old|often)\b|\bwhat\s+(?:\w+\s+)?(?:dose|number|percentage|fraction|volume|mass)\b",
    re.I,
)
_NAMED = re.compile(
    r"\b(?:which|who|whom|what\s+(?:is\s+the\s+(?:name|term)|drug|hormone|organ|disease|element|process))\b", re.I
)
# What a solution takes itself to be asked.
_TASK = re.compile(
    r"\b(?:(?:we|i)\s+(?:are|am)\s+(?:asked|to\s+find)|(?:the\s+)?question\s+asks|(?:what\s+)?is\s+(?:asked|wanted)|asked\s+(?:for\s+)?is|asked:|to\s+find|"
    r"we\s+(?:want|need\s+to\s+find|must\s+find|look\s+for))\s*(?:for|is|about|whether|to\s+(?:find|name|give))?\s*:?\s*(?P<what>[^.;:\n]+)",
    re.I,
)
_EMPTY = set(
    "the a an of for is are was be to in on at and or what which who how many much that this it its with by from as whether "
    "does do did can one will would should has have had their his her there they he she we after total "
    "value number amount find give name "
    "answer question question's asked asks between each per most".split()
)
_SAME = 0.002  # relative: two quantities are one


def mistake_of(item: Question, steps: str, answer: str, declared: Mistake | None) -> Mistake:
    """`declared` is what a reflection on a solution of this item called its mistake, None where there was none."""
    found = equations(steps)
    if any(not e.holds for e in found):
        return "calculation"
    if misread(item, steps, answer, found):
        return "comprehension"
    return "comprehension" if declared == "comprehension" else "reasoning"


def misread(item: Question, steps: str, answer: str, found: list[Equation]) -> str:
    """How a solution misread its question, for people to look at; empty where nothing shows that it did."""
    told = " \n".join([item.question, item.context, *item.choices])
    return (
        _answers_something_else(item, answer)
        or _other_quantities(told, steps, found)
        or _other_things(told, item.question, steps)
        or _other_task(told, item.question, steps)
    )


def _answers_something_else(item: Question, answer: str) -> str:
    said = answer_of(answer)
    if item.kind in ("choice", "label") and item.choices:
        stated, why = stated_option(said, item.choices)
        return "an option that is not there" if stated is None and why == "no option is stated" else ""
    if item.kind == "yes_no_maybe":
        found = yes_no_maybe(item, said)
        return "neither yes nor no" if found.reason.startswith("neither") else ""
    if item.kind == "number":
        if stated_number(said)[0] is None and not re.search(r"\d", said):
            return "no number"
        return "another kind of quantity" if "which is no " in number(item, said).reason else ""
    if item.kind == "short":
        digits, gold_digits = bool(re.search(r"\d", in_digits(said))), bool(re.search(r"\d", in_digits(item.gold)))
        if _HOW_MANY.search(item.question) and gold_digits and not digits:
            return "no number"
        if not gold_digits and re.fullmatch(r"\W*[\d.,]+\s*\S{0,12}\W*", said):
            return "a number"
        if _NAMED.search(item.question) and re.fullmatch(r"\W*(?:yes|no|maybe|true|false)\b\W*", said, re.I):
            return "yes or no"
    return ""


def _other_quantities(told: str, steps: str, found: list[Equation]) -> str:
    """A quantity that is neither given nor computed, in the place of one that is given and never used."""
    given, used = _quantities(told), _quantities(steps)
    computed = [v for e in found for v in (e.value, e.shown)]
    for quantity in used:
        name = _name(quantity)
        if not name or any(_same(quantity.value, v) for v in computed):
            continue
        rivals = [g for g in given if _name(g) == name]
        if not rivals or any(_same(quantity.value, g.value) for g in rivals):
            continue
        elsewhere = any(_same(quantity.value, g.value) for g in given)
        unused = [g for g in rivals if not any(_same(g.value, u.value) for u in used)]
        if unused and not elsewhere:
            return f"{quantity.value:g} {name} for {unused[0].value:g}"
        swapped = [g for g in rivals if not any(_same(g.value, u.value) and _name(u) == name for u in used)]
        if elsewhere and swapped:
            return f"{quantity.value:g} taken for {name}"
    return ""


def _quantities(text: str) -> list[Number]:
    """Numbers with what they count or measure; not the results behind an equals sign."""
    tidy = in_digits(text.replace("−", "-"))
    return [n for n in numbers_in(tidy) if not re.search(r"[=≈]\s*$", tidy[: n.start])]


def _name(quantity: Number) -> str:
    return quantity.unit or (quantity.word.split()[0].removesuffix("s") if quantity.word else "")


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= _SAME * max(abs(a), abs(b))


def _other_things(told: str, question: str, steps: str) -> str:
    """The opposite of what the question names, or an exception that was overlooked."""
    asked, said = set(re.findall(r"[a-z]+", told.lower())), set(re.findall(r"[a-z]+", steps.lower()))
    for pair in _PAIRS:
        for here, other in (pair, pair[::-1]):
            if here in asked and other not in asked and other in said and here not in said:
                return f"{other} for {here}"
    if _EXCEPT.search(question) and not _NEGATIVE.search(steps):
        return "an exception overlooked"
    return ""


def _other_task(told: str, question: str, steps: str) -> str:
    """What it says it is asked for is not what the question asks for."""
    known = {stem(w) for w in plain(told).split()}
    for match in _TASK.finditer(steps):
        words = [w for w in plain(final(match.group("what"))[0]).split() if w not in _EMPTY and not w[0].isdigit()]
        strange = [w for w in words if stem(w) not in known]
        if words and len(strange) * 2 >= len(words):
            return f"asked for {' '.join(words)}"
    return ""
