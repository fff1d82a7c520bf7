"""Replays the calculations that a text writes out, without a model: which of its equations between numbers hold.

Where a reading is in doubt (a variable, a range, an unknown operation) nothing is said: of a sound text no equation
should be called false.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from zoo.arithmetic.equality import converted, equal
from zoo.arithmetic.expression import Parser, Unparsed
from zoo.arithmetic.notation import WORDED, plain
from zoo.arithmetic.tokens import Token, tokens_of
from zoo.arithmetic.values import Node, value_of

_MOST_STARTS = 40  # tokens looked back for where an expression begins
_LABELS = set(
    "step part phase case day option question example equation no number stage grade type table figure item week hour".split()
)
# Before an expression, they belong to it: sin 30, every 8 hours.
_BELONGS = set(
    "sin cos tan sec csc cot log ln lg exp sqrt root mod choose max min every each q per log10 "
    "sinh cosh tanh arcsin arccos arctan d".split()
)
_SIGNED_AFTER = set("is are be of to by and or so then thus therefore get have".split())
# Behind a number in words they make another statement of it: "is 2 times larger".
_COMPARES = re.compile(
    r"^[ ,]*(?:\w+ +){0,2}?(?:times|more|less|higher|lower|larger|smaller|greater|above|below|before|after|points?|fold|"
    r"or|to|over|under|of)\b",
    re.I,
)
_DENIED = re.compile(
    r"\b(?:not|wrong(?:ly)?|incorrect(?:ly)?|instead\s+of|rather\s+than|never|n't|suppose|wonder|whether)\b"
    r"[^.;\n]*$",
    re.I,
)
_TAKEN_BACK = re.compile(r"^[\s.,;:?!-]*(?:\?|(?:no|wait|sorry|hmm|oops|actually|correction)\b)", re.I)
_PRESSURE = re.compile(r"(?:pressure|BP|reading|systolic|diastolic|hypertension)[^.;\n]*$", re.I)


@dataclass(frozen=True)
class Equation:
    """A statement that two expressions are equal, in plain signs: `3 * 4 = 12`. `value` is what its left side comes to, in
    the unit of its right side where the two can be told, and `shown` what it is said to come to."""

    text: str
    value: float
    shown: float
    holds: bool

    def __str__(self) -> str:
        return self.text if self.holds else f"{self.text}, but it is {self.value:.6g}"


def equations(text: str) -> list[Equation]:
    """The equations between numbers that can be read in a text, in order."""
    found = plain(text)
    tokens = tokens_of(found)
    carried: dict[float, float] = {}
    return [e for chain in _chains(tokens) for e in _Chain(found, tokens, chain, carried).read()]


def _chains(tokens: list[Token]) -> list[list[int]]:
    """The relations by place, those of one statement together."""
    out: list[list[int]] = []
    for n, token in enumerate(tokens):
        if token.kind == "relation":
            broken = not out or any(t.kind in ("line", "other") for t in tokens[out[-1][-1] : n])
            if broken:
                out.append([n])
            else:
                out[-1].append(n)
    return out


class _Chain:
    """`carried` has what a rounded number stands for in what comes after it."""

    def __init__(self, text: str, tokens: list[Token], relations: list[int], carried: dict[float, float]) -> None:
        self.text, self.tokens, self.relations, self.carried = text, tokens, relations, carried

    def read(self) -> list[Equation]:
        out = []
        for n, at in enumerate(self.relations):
            begin = self.relations[n - 1] + 1 if n else 0
            end = self.relations[n + 1] if n + 1 < len(self.relations) else len(self.tokens)
            left, right = self._left(begin, at, chained=n > 0), self._right(at + 1, end)
            if left and right and (said := self._equation(left, right, at, n)):
                out.append(said)
        return out

    # --- what stands left and right of a relation --------------------------------------------------------------------

    def _left(self, begin: int, at: int, chained: bool) -> tuple[Node, int] | None:
        """The longest expression that ends there, and where it begins."""
        first = max(begin, at - _MOST_STARTS)
        for n in range(at - 1, first - 1, -1):
            if self.tokens[n].kind in ("line", "other", "relation"):
                first = n + 1
                break
        for start in range(first, at):
            if start > first and self.tokens[start - 1].kind == "sign":
                continue  # a longer one begins before it, or none does
            node = self._whole(start, at)
            if node is None:
                continue
            if past := self._labelled(start):
                labelled = self._whole(past, at)
                return (labelled, past) if labelled else None
            return (node, start) if (chained and start == begin) or self._begins(start) else None
        return None

    def _whole(self, start: int, end: int) -> Node | None:
        if self.tokens[start].kind not in ("number", "bracket", "sign", "word"):
            return None
        parser = Parser(self.tokens, start, end)
        try:
            node = parser.expression()
        except (Unparsed, RecursionError):
            return None
        return node if parser.at == end else None

    def _labelled(self, start: int) -> int:
        """Where the expression begins behind the dash that leads a line, or behind a step's number: `Step 2 - 5 * 3`."""
        tokens = self.tokens
        if tokens[start].text in ("-", "*", "+") and (start == 0 or tokens[start - 1].kind == "line"):
            return start + 1
        named = start > 0 and tokens[start - 1].text.lower() in _LABELS
        return start + 2 if named and tokens[start].kind == "number" and tokens[start + 1].text == "-" else 0

    def _begins(self, start: int) -> bool:
        """Whether nothing before an expression belongs to it."""
        if start == 0:
            return True
        before, here = self.tokens[start - 1], self.tokens[start]
        tight = before.end == here.start
        if here.kind == "sign" and before.kind != "line" and before.text.lower() not in _SIGNED_AFTER:
            return before.kind == "other" or before.text == "("
        if before.kind == "sign":
            return before.text in "-*+" and (start == 1 or self.tokens[start - 2].kind == "line")
        if before.kind == "word":
            return not tight and before.text.lower() not in _BELONGS
        if before.kind == "number":
            return False
        numbered = start > 1 and self.tokens[start - 2].kind == "number" and self.tokens[start - 2].end == before.start
        return not (tight and numbered and before.text in ":.!|,")

    def _right(self, at: int, end: int) -> tuple[Node, int] | None:
        """The longest expression that begins there, and where it ends."""
        parser = Parser(self.tokens, at, end)
        try:
            node = parser.expression()
        except (Unparsed, RecursionError):
            return self._alone(at, end)
        if parser.at == end and end < len(self.tokens):
            return node, parser.at
        return (node, parser.at) if self._ends(parser.at) else None

    def _alone(self, at: int, end: int) -> tuple[Node, int] | None:
        """A number whose words are none that can be told from what follows: `= 12 units of which half ...`."""
        if at >= end or self.tokens[at].kind != "number":
            return None
        after = self.tokens[at + 1] if at + 1 < end else None
        if after is None or after.kind != "word" or after.start == self.tokens[at].end or len(after.text) < 3:
            return None
        token = self.tokens[at]
        return Node("", value=token.value, step=token.step, unit=after.text, power=token.power), at + 2

    def _ends(self, at: int) -> bool:
        if at >= len(self.tokens):
            return True
        before, here = self.tokens[at - 1], self.tokens[at]
        if here.kind == "sign":
            after = self.tokens[at + 1] if at + 1 < len(self.tokens) else None
            spaced = before.end < here.start and (after is None or here.end < after.start)
            return here.text == "-" and spaced and (after is None or after.kind == "word")
        if before.kind == "number" and here.text.lower() in ("in", "of") and self.tokens[at + 1 : at + 2]:
            return self.tokens[at + 1].kind != "number"  # 90 in 100 is a share
        if here.kind == "number" or here.text in ("!", "^") or (here.text == ":" and before.end == here.start):
            return here.text == ":" and not (at + 1 < len(self.tokens) and self.tokens[at + 1].kind == "number")
        return not (here.kind == "bracket" and here.text == "(" and before.end == here.start)

    # --- whether the two are equal -----------------------------------------------------------------------------------

    def _equation(self, left: tuple[Node, int], right: tuple[Node, int], at: int, n: int) -> Equation | None:
        a, b = left[0], right[0]
        start, end = self.tokens[left[1]].start, self.tokens[right[1] - 1].end
        said = " ".join(self.text[start:end].replace(WORDED, "is").split())
        if not self._claims(a, b, at, left[1], right[1], start, end, n):
            return None
        try:
            value, shown = value_of(a, 0.01, {}), value_of(b, 1.0, {})
            holds = equal(a, b, self.tokens[at].text == "≈", self.carried)
        except (ArithmeticError, ValueError, TypeError):
            return None
        if holds is None:
            return None
        if holds and not b.sign and not b.percent:
            self.carried[b.value] = value_of(a, 0.01, self.carried)
        if not a.calculates and (inside := converted(a, b)) is not None:
            value = inside
        return Equation(said, value, shown, holds)

    def _claims(self, a: Node, b: Node, at: int, first: int, last: int, start: int, end: int, n: int) -> bool:
        """Whether the two sides, so read, are said to be equal at all."""
        before, after = self.text[:start], self.text[end : end + 60]
        worded = self.tokens[at].text == WORDED
        chained = n > 0 and first == self.relations[n - 1] + 1
        if worded and (self._fraction(a, first) or (b.calculates and a.units())):
            return False
        if not a.calculates and (worded or not b.calculates or not (chained or self._opens(first))):
            same = chained and not worded and a.unit == b.unit and not b.calculates
            return same or self._converts(a, b, worded)
        if _DENIED.search(before[-80:]) or _TAKEN_BACK.match(after):
            return False
        if worded and _COMPARES.match(after):
            return False
        if a.sign == "/" and not any(p.sign for p in a.parts) and (worded or _PRESSURE.search(before[-60:])):
            over, under = a.parts[0].value, a.parts[1].value
            if 60 <= over <= 260 and 30 <= under <= 150 and (_PRESSURE.search(before[-60:]) or not self._spaced(first)):
                return False
        return not (self._ranged(a, first, at) or self._ranged(b, at + 1, last))

    def _opens(self, first: int) -> bool:
        return first == 0 or self.tokens[first - 1].kind in ("line", "other")

    def _converts(self, a: Node, b: Node, worded: bool) -> bool:
        """A bare quantity in another unit: `1 h = 60 min`."""
        return not worded and not a.sign and not b.sign and a.unit != b.unit and converted(a, b) is not None

    def _fraction(self, node: Node, first: int) -> bool:
        """A fraction written without spaces, of something that is not said: `3/4 is 15`."""
        written = self.tokens[first].kind == "number" and not self._spaced(first)
        return written and node.sign == "/" and not any(p.sign for p in node.parts)

    def _spaced(self, at: int) -> bool:
        return self.tokens[at].end < self.tokens[at + 1].start

    def _ranged(self, node: Node, first: int, end: int) -> bool:
        """Whether a dash without spaces stands between a number and a larger one: `5-10`."""
        for n in range(first + 1, min(end, len(self.tokens)) - 1):
            left, sign, right = self.tokens[n - 1], self.tokens[n], self.tokens[n + 1]
            if sign.text == "-" and left.end == sign.start and sign.end == right.start:
                if left.kind == right.kind == "number" and left.value < right.value:
                    return True
        last = self.tokens[end : end + 2]
        return len(last) == 2 and last[0].text == "-" and last[1].kind == "number" and not node.sign
