"""Whether a quote stands in a text word for word, and where.

What typesetting changes is not held against a quote: spaces and line breaks, words divided at a line's end, hyphens
and dashes, ligatures, quotation marks; nor the case of its first letter, which quoting from within a sentence changes.
Letters, digits, their case and their order are.
"""

from __future__ import annotations

import re

_CHARACTERS = {
    "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "…": "...", "µ": "μ",
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4\u0060\u2039\u203a", "'"),
    # One kind of quotation marks within another changes with what stands around them.
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\"", "'"),
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
}  # fmt: skip
_BREAK = re.compile(r"(?<=\w)[-\u2010\u00ad]\s*\n\s*(?=\w)")
# What is compared as it stands, most of any text: words, with the single spaces between them where spaces count.
_WORD = rf"[^\s\-{re.escape(''.join(_CHARACTERS))}]+"
_AS_IT_STANDS = {True: re.compile(f"{_WORD}(?: {_WORD})*"), False: re.compile(_WORD)}
_AROUND = "\"' \t\n"
_SHORTEST = 8  # letters and digits; anything shorter stands in too many places to be evidence of one


def find_quote(quote: str, text: str) -> tuple[int, int] | None:
    """`(start, end)` of the quote in `text`, or None. A quote does not begin or end inside a word or a number of the
    text."""
    if sum(c.isalnum() for c in quote) < _SHORTEST:
        return None
    for joined, spaced in ((False, True), (True, True), (False, False)):
        needle = _normal(quote, joined, spaced)[0].strip(_AROUND).rstrip(".,;:")
        hay, places = _normal(text, joined, spaced)
        for form in (needle, needle[:1].swapcase() + needle[1:]):
            at = hay.find(form)
            while needle and at >= 0:
                start, end = places[at], places[at + len(form) - 1] + 1
                # Without spaces, words end where they do in the text itself.
                cuts = ((hay, at), (hay, at + len(form))) if spaced else ((text, start), (text, end))
                if not any(_inside(*cut) for cut in cuts):
                    return start, end
                at = hay.find(form, at + 1)
    return None


def _normal(text: str, joined: bool, spaced: bool) -> tuple[str, list[int]]:
    """The text as compared, and for each of its characters the place in `text` it came from. With `joined`, a hyphen
    at a line's end divides a word and goes; without, it is the word's own and stays. Spaces are one, or none at all."""
    out: list[str] = []
    places: list[int] = []
    breaks = {m.start(): m.end() for m in _BREAK.finditer(text)} if "\n" in text else {}
    as_it_stands = _AS_IT_STANDS[spaced]
    i = 0
    while i < len(text):
        if i in breaks:
            if not joined and text[i] != "\u00ad":
                out.append("-")
                places.append(i)
            i = breaks[i]
            continue
        if words := as_it_stands.match(text, i):
            out.append(words.group())
            places.extend(range(i, words.end()))
            i = words.end()
            continue
        for c in _CHARACTERS.get(text[i], text[i]):
            if c.isspace():
                if not spaced or not out or out[-1] == " ":
                    continue
                c = " "
            out.append(c)
            places.append(i)
        i += 1
    return "".join(out), places


def _inside(hay: str, at: int) -> bool:
    """Whether a cut at `at` would part a word or a number."""
    if not 0 < at < len(hay):
        return False
    before, after = hay[at - 1], hay[at]
    if before.isalnum() and after.isalnum():
        return True
    if before in ".," and after.isdigit():
        return at > 1 and hay[at - 2].isdigit()
    return before.isdigit() and after in ".," and at + 1 < len(hay) and hay[at + 1].isdigit()
