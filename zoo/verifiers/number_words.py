"""Numbers in words, such as "three tablets" or "one hundred and fifty", turned into digits."""

from __future__ import annotations

import re

_ONES = "one two three four five six seven eight nine".split()
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_VALUES = {
    "a": 1, "zero": 0, **{w: n for n, w in enumerate([*_ONES, *_TEENS], 1)}, **{w: 10 * n for n, w in enumerate(_TENS, 2)},
}  # fmt: skip
_SMALL = rf"(?:(?:{'|'.join(_TENS)})(?:[\s-](?:{'|'.join(_ONES)}))?|{'|'.join(['zero', *_TEENS, *_ONES])})\b"
_HUNDREDS = rf"(?:(?:{_SMALL}|a)\s+hundred\b(?:\s+(?:and\s+)?{_SMALL})?|{_SMALL})"
_NUMBER = re.compile(
    rf"\b(?:(?P<thousands>{_HUNDREDS}|a)\s+thousand\b(?:\s+(?:and\s+)?(?P<rest>{_HUNDREDS}))?|(?P<hundreds>{_HUNDREDS}))"
    r"(?P<half>\s+and\s+a\s+half\b)?"
    # Parts of a whole are no count.
    r"(?![\s-]+(?:thirds?|quarters?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?|half|halves)\b)",
    re.I,
)
_PRONOUN_AFTER = re.compile(r"\b(?:no|any|every|each|some|the|this|that|which|another|other|either|neither)\s+$", re.I)
_PRONOUN_BEFORE = re.compile(
    r"^\s+(?:of|another|should|can|may|must|would|could|might|needs|has|is|who|that|which)\b", re.I
)


def in_digits(text: str) -> str:
    """`text` with its numbers in words as digits; "one" stays where it is a pronoun."""

    def digits(match: re.Match[str]) -> str:
        before, after = text[: match.start()], text[match.end() :]
        if match.group().lower() == "one" and (_PRONOUN_AFTER.search(before) or _PRONOUN_BEFORE.match(after)):
            return match.group()
        value = 1000 * _value(match.group("thousands")) + _value(match.group("rest") or match.group("hundreds"))
        return f"{value}.5" if match.group("half") else str(value)

    return _NUMBER.sub(digits, text)


def _value(words: str | None) -> int:
    """A number below a thousand."""
    value = 0
    for word in re.findall(r"[a-z]+", (words or "").lower()):
        value = value * 100 if word == "hundred" else value + _VALUES.get(word, 0)
    return value
