"""Units as people write them, for pint: what it lacks, what it reads otherwise, and where a unit ends in a sentence."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_DEFINED = (
    "equivalent = [equivalent] = Eq",
    "international_unit = [biological_activity] = IU",
    "osmole = [osmotic] = Osm = osm",
    "cell = 1",
    "breath = 1",
    "beat = 1",
    "dollar = [currency] = USD",
)
# Spellings in words or with spaces, longest first, and what pint is given for them.
_SPELLINGS = [
    (r"mm\s?Hg|millimet(?:er|re)s?\s+of\s+mercury|torr", "mmHg"),
    (r"cm\s?H2O|cm\s?H₂O", "cmH2O"),
    (r"breaths?\s*(?:per|/|a)\s*min(?:ute)?", "breath/minute"),
    (r"beats?\s*(?:per|/|a)\s*min(?:ute)?|bpm", "beat/minute"),
    (r"(?:°|º|degrees?|deg)\s*(?:C\b|Celsius|centigrade)|℃|Celsius", "degC"),
    (r"(?:°|º|degrees?|deg)\s*(?:F\b|Fahrenheit)|℉|Fahrenheit", "degF"),
    (r"per\s?cent(?:age\s+points?)?|percentage\s+points?|%", "percent"),
    (r"international\s+units?|i\.u\.|IU|U(?![a-zA-Z])|units?", "international_unit"),
    (r"mcg|micrograms?|[µμ]g|ug", "microgram"),
    (r"US\s?dollars?|dollars?|USD", "dollar"),
    (r"cells?", "cell"), (r"meq", "mEq"), (r"mosm", "mOsm"),
    (r"wks?", "week"), (r"mos?\b", "month"), (r"yrs?|y(?![a-zA-Z])", "year"),
    (r"hrs?", "hour"), (r"mins?(?![a-zA-Z])", "minute"),
    (r"cubic\s+millimet(?:er|re)s?|mm3|mm³", "mm**3"), (r"cubic\s+centimet(?:er|re)s?|cm3|cm³|cc", "cm**3"),
    (r"square\s+met(?:er|re)s?|m2|m²", "m**2"), (r"m3|m³", "m**3"), (r"s2|s²", "s**2"),
    (r"lit(?:re|er)s?", "liter"), (r"met(?:re)s?", "meter"),
]  # fmt: skip
_MICRO = re.compile(r"[µμ](?=[a-zA-Z])")
_SPELLING = re.compile("|".join(f"(?P<s{i}>(?<![a-zA-Z])(?:{p})(?![a-zA-Z]))" for i, (p, _) in enumerate(_SPELLINGS)))
# Short words of a sentence that pint would take for units (inch, technical atmosphere, year, are, nit).
_WORDS = set("in at a as are an to of or and by on is if so it per the for be ha".split())
_TOKEN = re.compile(r"[A-Za-zµμΩÅ°][A-Za-zµμΩÅ_]*(?:\*\*-?\d|\^\(?-?\d\)?|-\d(?!\d))?|1(?=/)")
_SHORT = re.compile(
    r"^(?:da|[yzafpnumcdhkMGTPE]|micro)?(?:mol|cal|bar|Pa|Hz|eV|Da|Eq|Osm|osm|ohm|rad|ppm|ppb|gal|psi|mmHg|atm)$"
)


@lru_cache
def registry() -> Any:
    import pint

    units = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    for definition in _DEFINED:
        units.define(definition)
    return units


@lru_cache
def is_pressure(unit: str) -> bool:
    """Whether `unit`, in pint's spelling, measures a pressure."""
    return bool(unit) and bool(registry().Unit(unit).is_compatible_with("pascal"))


@lru_cache(maxsize=4096)
def _known(token: str) -> bool:
    """Whether pint knows `token` as a unit that a person would write so; it also reads many plain words as odd
    units."""
    name = re.sub(r"(\*\*|\^).*$|-\d$", "", token)
    if name == "1" or _SHORT.match(name):
        return True
    if name.lower() in _WORDS:
        return False
    try:
        unit = str(registry().Unit(name))
    except Exception:  # pint raises many kinds of errors for what is no unit
        return False
    return len(name) <= 3 or not name.islower() or unit.startswith(name[:3])


def leading_unit(text: str) -> tuple[str, str]:
    """`(unit, rest)`: the unit at the start of `text` in pint's spelling, empty if there is none."""
    spelled = _SPELLING.sub(lambda m: _SPELLINGS[int((m.lastgroup or "s0")[1:])][1], text[:80])
    spelled = _MICRO.sub("micro", spelled)
    over = re.match(r"\s*(?:/|per\b)\s*(?=[a-zA-Z])", spelled)
    out, at = ("1/" if over else ""), (over.end() if over else 0)
    joint = re.compile(r"\s*(?:(/|\bper\b|\ba\b(?=\s*(?:day|week|month|year|hour|minute)\b))|([·*⋅])|(\s))\s*")
    while True:
        token = _TOKEN.match(
            spelled, at + (len(spelled[at:]) - len(spelled[at:].lstrip()) if not out or out == "1/" else 0)
        )
        if not token or not _known(token.group()):
            break
        out += re.sub(r"\^\(?(-?\d)\)?|(?<=[a-zA-Z])(-\d)$", lambda m: f"**{m.group(1) or m.group(2)}", token.group())
        at = token.end()
        between = joint.match(spelled, at)
        if not between:
            return out, spelled[at:]
        following = _TOKEN.match(spelled, between.end())
        if (
            not following
            or not _known(following.group())
            or (between.group(3) and not following.group().endswith(("-1", "-2", "-3")))
        ):
            return out, spelled[at:]
        out, at = out + ("/" if between.group(1) else "*"), between.end()
    return ("" if out == "1/" else out.rstrip("/*")), spelled[at:]
