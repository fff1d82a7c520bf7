"""Judges which of the options a response states, by letter or by text.

The last one stated wins; a response that hedges, or leaves two standing, is wrong; an option that is denied is not
stated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from zoo.api import Example, Question, Verdict
from zoo.verifiers.reading import (
    CORRECTION,
    HEDGE,
    HEDGED_BEFORE,
    HEDGED_NEXT,
    MARKER,
    NEGATED_AFTER,
    NEGATION,
    answer_of,
    final,
    gold_of,
    plain,
    sentence_before,
)  # fmt: skip

_LETTERS = "ABCDEFGHIJ"
# A letter counts where it can be nothing else: "(B)", "B." before a text, after "option", "is" or "no,", or alone.
_LETTER = re.compile(
    r"(?:(?P<own>\(\s*(?P<a>[A-Ja-j])\s*\))"
    r"|(?P<lead>(?:(?<=\n)|^)\W*(?P<b>[A-J])\s*[.):](?=\s|$))"
    r"|(?P<said>\b(?i:option|choice|answer|pick|choose|select)\s+(?:is\s+)?[\"'(]?(?P<c>[A-J])\b)"
    r"|(?P<is>(?:\b(?i:is|it's|be|not|no|but|actually|instead|rather|than|either|both|or|and|wait|say|so|likely|probably|certainly|maybe|perhaps|possibly|also|even)\b|[,:;/]|→|->)[\s,:]*[\"'(]?"
    r"(?P<d>[A-J])(?=[\"')]?\s*(?:[.,;:!?)/\n]|$|or\b|and\b|is\b|because\b|since\b|not\b|but\b)))"
    r"|(?P<start>^\W*(?P<e>[A-J])(?=\W*$|[,;/]|\s+(?:or|and|is|because|since|not|but)\b|\s*[-–—]\s)))"
)  # fmt: skip
_JOIN = re.compile(
    r"^[\s\"'().:,;/&-]*(?:(?:or|and|as\s+well\s+as|both|also|even|else|alternatively|possibly|probably|maybe|perhaps|option|"
    r"choice)\b[\s\"'(:,]*)*$",
    re.I,
)

_RETRACTED = re.compile(
    r"(?:[.,;:!?]|^|\n|-|\.\.\.)\s*(?:no|wait|actually|sorry|correction|rather|instead|on\s+second\s+thought)\b", re.I
)


@dataclass(frozen=True)
class _Mention:
    start: int
    end: int
    option: int
    clear: bool


def choice(example: Example | Question, response: str) -> Verdict:
    """Right where the one option that the response ends on is the gold one; abstains without options or without a
    usable gold."""
    gold = option_of(gold_of(example), example.choices)
    if gold is None:
        return Verdict(check="choice", verdict="abstain", reason="the gold answer is not one of the options")
    stated, why = stated_option(answer_of(response), example.choices)
    if stated is None:
        return Verdict(check="choice", verdict="wrong", reason=why)
    said = f"says {_LETTERS[stated]}, {example.choices[stated]!r}" if stated < len(_LETTERS) else "says a later option"
    return Verdict(check="choice", verdict="right" if stated == gold else "wrong", reason=said)


def option_of(text: str, choices: list[str]) -> int | None:
    """The option that `text` is, by its text or its letter alone."""
    wanted = plain(text)
    same = [i for i, c in enumerate(choices) if plain(c) == wanted]
    if len(same) == 1:
        return same[0]
    exact = [i for i, c in enumerate(choices) if c.strip() == text.strip()]
    if len(exact) == 1:
        return exact[0]
    bare = re.fullmatch(r"\W*([A-Ja-j])\W*", text)
    at = _LETTERS.index(bare.group(1).upper()) if bare else len(choices)
    return at if at < len(choices) and not same else None


def stated_option(text: str, choices: list[str]) -> tuple[int | None, str]:
    """The option a response ends on, or None and why there is none."""
    segment, marked = final(text)
    if marked and _hedged_marker(text):
        return None, "the answer is hedged"
    if (whole := option_of(segment, choices)) is not None:
        return whole, ""
    mentions = _mentions(segment, choices)
    if not mentions and marked:
        segment, mentions = text, _mentions(text, choices)
    if not mentions:
        return None, "no option is stated"
    last = _decisive(segment, mentions, marked)
    before = sentence_before(segment, last.start)
    if HEDGE.search(before) or HEDGED_NEXT.search(before) or HEDGED_BEFORE.match(segment[last.end :]):
        return None, "the answer is hedged"
    for other in mentions:
        if other.option != last.option and _together(segment, other, last):
            return None, "two options are stated"
    return last.option, ""


def _hedged_marker(text: str) -> bool:
    """Whether the last "the answer is" is itself hedged."""
    last = list(MARKER.finditer(text))[-1]
    return bool(HEDGED_NEXT.search(sentence_before(text, last.start())))


def _decisive(text: str, mentions: list[_Mention], marked: bool) -> _Mention:
    """The mention that counts: the last, but options named while explaining do not take back one that was given
    plainly."""
    clear = [m for m in mentions if m.clear]
    first = mentions[0]
    at_once = not re.search(r"\w", text[: first.start])
    if at_once and (marked or not [m for m in clear if m is not first]) and not _RETRACTED.search(text[first.end :]):
        return first
    return (clear or mentions)[-1]


def _together(text: str, a: _Mention, b: _Mention) -> bool:
    """Whether two mentions are given side by side, neither taken back."""
    first, second = sorted((a, b), key=lambda m: m.start)
    between = text[first.end : second.start]
    if first.clear and not second.clear and re.fullmatch(r"[\s.:)\"'-]*", between):
        return True  # a letter and another option's text
    return bool(_JOIN.match(between)) and "\n" not in between and not CORRECTION.search(between)


def _mentions(text: str, choices: list[str]) -> list[_Mention]:
    """Every option named and not denied, in order."""
    found = _by_text(text, choices)
    taken = [(m.start, m.end) for m in found]
    for match in _LETTER.finditer(text):
        group = next(g for g in "abcde" if match.group(g))
        at = match.start(group)
        option = _LETTERS.index(match.group(group).upper())
        if option < len(choices) and not any(s <= at < e for s, e in taken):
            found.append(_Mention(at, match.end(group), option, clear=True))
    found.sort(key=lambda m: m.start)
    return [m for m in found if not _denied(text, m)]


def _by_text(text: str, choices: list[str]) -> list[_Mention]:
    low = text.casefold()
    found: list[_Mention] = []
    for option in sorted(range(len(choices)), key=lambda i: -len(choices[i])):
        wanted = choices[option].strip().rstrip(".").casefold()
        if not wanted or len(low) != len(text):
            continue
        pattern = r"(?<![\w.])" + r"\s+".join(map(re.escape, wanted.split())) + r"(?![\w]|\.\d)"
        for match in re.finditer(pattern, low):
            if len(wanted) == 1 and not re.fullmatch(r"\d", wanted):
                continue
            if not any(m.start < match.end() and match.start() < m.end for m in found):
                alone = bool(
                    re.search(r"(?:^|[.!?\n])\W*$", low[: match.start()])
                    and re.match(r"\W*(?:$|\n|[.!?]\s)", low[match.end() :])
                )
                found.append(_Mention(match.start(), match.end(), option, clear=alone))
    return found


def _denied(text: str, mention: _Mention) -> bool:
    before = sentence_before(text, mention.start)
    return bool(NEGATION.search(before) or NEGATED_AFTER.match(text[mention.end :]))
