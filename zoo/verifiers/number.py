"""Judges a number with its unit: right within 2%, in whatever unit of the same dimension.

On scales where 2% says nothing (a temperature, a pH, a year) it is right where it is the gold rounded. A blood pressure
is two numbers, and both must be right.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from zoo.api import Example, Question, Verdict
from zoo.verifiers.number_words import in_digits
from zoo.verifiers.reading import HEDGE, HEDGED_NEXT, NEGATION, answer_of, final, gold_of, sentence_before
from zoo.verifiers.units import is_pressure, leading_unit, registry

TOLERANCE = 0.02
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_NUMBER = re.compile(
    r"(?<![\w.,])(?P<currency>[$])?\s?(?P<sign>[-+])?"
    r"(?P<digits>\d{1,3}(?:[,\u202f\u00a0 ]\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?|\.\d+)"
    r"(?:\s*/\s*(?P<over>\d+(?:\.\d+)?)(?![\d.]))?"
    r"(?P<power>\s*(?:[×x*·⋅]|\\times|\\cdot)\s*10\s*(?:\^|\*\*)?\s*\{?\(?(?P<exp>[-+]?\d+)\)?\}?|[eE](?P<e>[-+]?\d+))?"
    r"(?:\s*(?P<scale>thousand|million|billion|trillion)\b)?"
)
_BARE_POWER = re.compile(r"(?<![\w.])10\s*(?:\^|\*\*)\s*\{?\(?([-+]?\d+)\)?\}?")
_SCALE = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_RANGE = re.compile(r"^[^\d\n.;]{0,24}?(?:\bto\b|\band\b|\bor\b|[-–—~]|±)\s*[$]?\s*$", re.I)
_RESULT = re.compile(
    r"(?:[=≈≃]|\\approx|\bgives|\bequals|(?<!which )\bis)\s*(?:about|approximately|roughly)?\s*$", re.I
)
_DEGREES = {"C": "degC", "F": "degF"}  # pint's coulomb and farad, where a temperature is wanted
_PERIODS = {
    "days?|d": re.compile(r"\b(?:daily|(?:per|a|each|every)\s+day|in\s+(?:24\s*h(?:ours)?|one\s+day))\b", re.I),
    "hours?|h": re.compile(r"\b(?:hourly|(?:per|an|each|every)\s+hour)\b", re.I),
    "minutes?|min": re.compile(r"\b(?:per|a|each|every)\s+minute\b", re.I),
    "weeks?": re.compile(r"\b(?:weekly|(?:per|a|each|every)\s+week)\b", re.I),
}
_COUNTED = re.compile(r"\b(?:breath|beat|cell)\b")


@dataclass(frozen=True)
class Number:
    """A number as written, its last digit worth `step`; `over` is the second of a blood pressure. `unit` is pint's
    spelling or empty; `word` is what stood there instead of a unit."""

    value: float
    step: float
    over: float | None
    unit: str
    word: str
    start: int
    end: int


def number(example: Example | Question, response: str) -> Verdict:
    """Right where the number the response ends on is the gold's. A range, two different numbers, another dimension or
    a missing unit are wrong. A gold without a unit is compared by its number alone; abstains where the gold holds no
    one number."""
    gold, _ = stated_number(gold_of(example))
    if gold is None:
        return Verdict(check="number", verdict="abstain", reason="the gold answer is not one number")
    said, why = stated_number(answer_of(response))
    if said is None:
        return Verdict(check="number", verdict="wrong", reason=why)
    right, reason = _same(*_per_asked(example.question, gold, said))
    return Verdict(check="number", verdict="right" if right else "wrong", reason=reason)


def stated_number(text: str) -> tuple[Number | None, str]:
    """The number a text ends on, or None and why there is none."""
    tidy = _tidy(text)
    if not _NUMBER.search(tidy):
        tidy = in_digits(tidy)
    segment, marked = final(tidy)
    found = numbers_in(segment)
    if not found and marked:
        segment, marked = tidy, False
        found = numbers_in(segment)
    found = [n for n in found if not NEGATION.search(sentence_before(segment, n.start))] or found
    if not found:
        return None, "no number is stated"
    # A number given at once is the answer, and what follows explains it; a calculation ends on its result.
    at_once = not re.search(r"\w", segment[: found[0].start])
    chosen = found[0] if marked or at_once else found[-1]
    if results := [n for n in found[1:] if _RESULT.search(segment[: n.start])]:
        chosen = results[-1]
    before = sentence_before(segment, chosen.start)
    if HEDGE.search(before) or HEDGED_NEXT.search(before):
        return None, "the answer is hedged"
    if re.search(r"\bbetween\b[^.;]*$", segment[: found[0].start], re.I) and len(found) > 1:
        return None, "a range is stated"
    for other in found:
        if other is not chosen and _alternative(segment, other, chosen):
            return None, "two numbers are stated"
    return chosen, ""


def _alternative(text: str, a: Number, b: Number) -> bool:
    """Whether two numbers are given as a range or as a choice between them."""
    first, second = sorted((a, b), key=lambda n: n.start)
    return bool(_RANGE.match(text[first.end : second.start])) and not _same(first, second)[0]


def numbers_in(text: str) -> list[Number]:
    found = []
    for match in _NUMBER.finditer(text):
        digits, exponent = re.sub(r"[^\d.]", "", match.group("digits")), match.group("exp") or match.group("e") or "0"
        scale = _SCALE.get(match.group("scale") or "", 1.0)
        value = float(f"{digits}e{exponent}") * scale
        step = float(f"1e{exponent}") * scale * 10.0 ** -len(digits.partition(".")[2])
        if not math.isfinite(value):
            continue
        unit, rest = leading_unit(text[match.end() :])
        over = float(match.group("over")) if match.group("over") else None
        if over and not is_pressure(unit):
            value, over = value / over, None
        if match.group("currency"):
            unit = "dollar" + ("/" + unit if unit and text[match.end() :].lstrip().startswith(("/", "per")) else "")
        end = match.end() if not unit else len(text) - len(rest) if len(text[match.end() :]) <= 80 else match.end()
        word = "" if unit else " ".join(re.findall(r"^\s*[-]?([a-z]{3,})", rest))
        value = -value if match.group("sign") == "-" else value
        found.append(Number(value, step, over, unit, word, match.start(), end))
    return found


def _tidy(text: str) -> str:
    text = re.sub(r"([⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+)", lambda m: m.group(1).translate(_SUPERSCRIPTS) if text[m.start() - 1].isalpha()
                  else "^" + m.group(1).translate(_SUPERSCRIPTS), text)  # fmt: skip
    text = re.sub(r"\\[,;! ]|[{}]|\$(?!\s?\d)", "", text).replace("−", "-").replace("\\%", "%")
    return _BARE_POWER.sub(
        lambda m: m.group(0) if text[: m.start()].rstrip().endswith(("×", "x", "*", "·")) else f"1e{m.group(1)}", text
    )


def _per_asked(question: str, gold: Number, said: Number) -> tuple[Number, Number]:
    """The two without the time that the question asks for, where one names it and the other does not: of a daily dose,
    "720 mg" and "720 mg a day" are one."""
    for period, asked in _PERIODS.items():
        bare = [re.sub(rf"/(?:{period})$", "", n.unit) for n in (gold, said)]
        one_names_it = (bare[0] == gold.unit) != (bare[1] == said.unit)
        if one_names_it and gold.unit and said.unit and asked.search(question):
            return replace(gold, unit=bare[0]), replace(said, unit=bare[1])
    return gold, said


def _same(gold: Number, said: Number) -> tuple[bool, str]:
    pair = f"/{said.over:g}" if said.over is not None else ""
    shown = f"says {said.value:g}{pair} {said.unit or said.word}".rstrip()
    if (gold.over is None) != (said.over is None):
        return False, f"{shown}, which is not the same measure"
    step = max(gold.step, said.step)
    if not gold.unit:
        if said.unit and gold.word:
            return False, f"{shown}, a {said.unit} and not {gold.word}"
        values = [said.value, *([said.value / 100] if said.unit == "percent" else [])]
        return any(_close(gold.value, v, step) for v in values), shown
    if not said.unit:
        if gold.unit == "percent" and not said.word:
            return _close(gold.value / 100, said.value), f"{shown}, without its unit"
        return False, f"{shown}, without its unit"
    counted = {m.group() for u in (gold.unit, said.unit) for m in _COUNTED.finditer(u)}
    if len(counted) > 1:
        return False, f"{shown}, which is no {gold.unit}"
    degrees = gold.unit in _DEGREES.values()
    unit = _DEGREES.get(said.unit, said.unit) if degrees else said.unit
    try:
        value, over = (registry().Quantity(v, unit).to(gold.unit).magnitude for v in (said.value, said.over or 0.0))
    except Exception as e:  # pint has its own errors for dimensions, offsets and spellings
        return False, f"{shown}, which is no {gold.unit} ({type(e).__name__})"
    second = gold.over is None or _close(gold.over, float(over))
    return second and _close(gold.value, float(value), step if degrees else None), shown


def _close(gold: float, value: float, step: float | None = None) -> bool:
    """Within the tolerance, and where `step` is given no further off than rounding to it explains."""
    allowed = TOLERANCE * abs(gold)
    if step is not None:
        allowed = min(allowed, step / 2)
    return abs(value - gold) <= allowed + 1e-9 * max(1e-3, abs(gold))
