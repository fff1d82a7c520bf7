"""The sentences of a passage that tasks can be made of, and how a word is written inside a sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from zoo.api import Passage
from zoo.passages import sentence_ends

FEWEST, MOST = 5, 45  # words
_ENGLISH = frozenset(
    "the of and to in a is that for are with as by on be or an from it this which at can not was have has were may their "
    "its these when than also more".split()
)
# Formulas, code, links, references by number: what is left of them in running text, or does not stand by itself.
_ODD = re.compile(
    r"[|=_@#*\[\]{}<>\\§©®™→←~^±≤≥≈∝×…•]|https?:|www\.|\bet al\b|\.\.|\w- [a-z]|[a-z]{3}[A-Z]|\s[,.;:]|:\s*\.?$|\d\s*–\s*$"
)
_ELSEWHERE = re.compile(
    r"\b(?:fig(?:ure|s?\.)|tables?|eqs?\.|equations?|chapters?|sections?|appendi(?:x|ces)|exhibits?|exercises?|examples? \d|box \d"
    r"|page|slide|link|below\.$|(?:as|shown|described|mentioned|discussed|listed|given|seen|noted) (?:above|below|earlier|previously)"
    r"|following|aforesaid|hereof|herein|hereto|hereunder|hereinafter|thereof|said|supra|infra|ibid)\b",
    re.I,
)
_PERSON = re.compile(
    r"\b(?:I|we|us|our|ours|you|your|yours|my|me|he|she|his|her|him|let's|here|today|yesterday)\b", re.I
)
# A heading that ran into the text below it.
_GLUED = re.compile(
    r"^(?i:(?P<head>\w[\w’'-]*(?: [\w’'-]+){0,5})\W+(?P=head)\b)|^(?:[A-Z][\w-]*,? (?:(?:of|for|and|the|in|to|on|a|with) )*){4}"
)
# A unit of one letter before a stop: two sentences that were not parted.
_TWO = re.compile(r"(?:\d\s?|/)\w{1,2}\. [A-Z]")
_ENDS = re.compile(r"[.!?:;][\"')\]”’]*\s*$")


@dataclass(frozen=True)
class Sentence:
    """A whole sentence of running English, verbatim. `before` is the one that it follows in its paragraph, where that is
    one too."""

    text: str
    before: str = ""


def sentences(text: str) -> list[Sentence]:
    """The passage's sentences that can be asked about, in order: no headings, table rows, list items, formulas or
    references, and nothing in another language."""
    out: list[Sentence] = []
    before, at, whole = "", 0, True
    for end in sentence_ends(text):
        raw = text[at:end]
        gap, line = raw[: len(raw) - len(raw.lstrip())] + ("\n" if raw.endswith("\n") else ""), raw.strip()
        at = end
        if not line:
            before = "" if "\n" in gap else before
            continue
        # A line that begins where the one before did not end goes on with its sentence.
        usable = whole and is_prose(line)
        if usable:
            out.append(Sentence(line, before))
        before = line if usable and "\n" not in gap else ""
        whole = bool(_ENDS.search(line)) or text[end : end + 1] == "\n"
    return out


def is_prose(line: str) -> bool:
    words = line.split()
    if not FEWEST <= len(words) <= MOST or not line.endswith(".") or not line[0].isupper():
        return False
    if _ODD.search(line) or _ELSEWHERE.search(line) or _PERSON.search(line) or '"' in line or "“" in line:
        return False
    if (
        _GLUED.search(line)
        or _TWO.search(line)
        or line.count("(") != line.count(")")
        or any(len(w) > 30 for w in words)
    ):
        return False
    letters = sum(c.isalpha() and c.isascii() for c in line)
    if letters < 0.7 * len(line) or sum(w[0].isupper() for w in words) > 0.4 * len(words):
        return False
    return sum(w.strip(",;").lower() in _ENGLISH for w in words) >= max(1, len(words) // 8)


class Spelling:
    """How words are written where they do not begin a sentence, by the running text of a whole document."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._seen: Counter[str] = Counter()
        for passage in passages:
            for sentence in sentences(passage.text):
                self._seen.update(re.findall(r"[^\W_][\w-]*", sentence.text.partition(" ")[2]))

    def inside(self, words: str) -> str | None:
        """A sentence's first words as they stand within one; None where the document does not tell whether a capital
        belongs to the first of them."""
        first = re.match(r"[^\W_][\w-]*", words)
        if first is None:
            return None
        word = first.group()
        small = word[0].lower() + word[1:]
        if word in {"A", "An", "The"} or self._seen[small] > self._seen[word]:
            return small + words[len(word) :]
        own = not word[0].isupper() or any(c.isupper() or c.isdigit() for c in word[1:])
        return words if own or self._seen[word] else None
