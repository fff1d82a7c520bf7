"""Reads an expression of numbers with their units out of tokens."""

from __future__ import annotations

import math

from zoo.arithmetic.tokens import Token
from zoo.arithmetic.values import FUNCTIONS, Node, known

# Words that end an operand: what follows is another clause.
_STOP = set(
    "and or so then thus therefore hence which that but is are was were be to from with at if when because since not no than by "
    "on as while where we i it this these those have has give gives given gave make makes get gets leaves leave his her their".split()
)
_LINKS = {"in", "of", "for", "a", "an", "the", "over", "each", "per", "every", "within", "during", "out"}
_MOST_WORDS = 5  # behind a number
_MOST_TOKENS = 80  # of an expression


class Unparsed(Exception):
    """There is no expression there that can be told apart from what is around it."""


class Parser:
    """Reads one expression from a token on; `at` is then the first token that is not part of it."""

    def __init__(self, tokens: list[Token], at: int, end: int) -> None:
        self.tokens, self.at, self.end = tokens, at, min(end, at + _MOST_TOKENS)

    def expression(self) -> Node:
        node = self._product()
        while self._sign() in ("+", "-") and not self._dash():
            sign = self._take().text
            node = Node(sign, (node, self._product()))
        return node

    def _product(self) -> Node:
        node = self._power()
        while True:
            sign = self._sign()
            if sign in ("*", "/"):
                spaced = self.tokens[self.at - 1].end < self._take().start
                node = Node(sign, (node, self._power()))
                if sign == "/" and spaced and self._tight_fraction():  # 2000 / 2/3
                    self._take()
                    node = Node("/", (node.parts[0], Node("/", (node.parts[1], self._power()))))
            elif self._is("(") and self.tokens[self.at - 1].end == self.tokens[self.at].start:
                node = Node("*", (node, self._power()))  # 2(3 + 4)
            else:
                return node

    def _tight_fraction(self) -> bool:
        """Whether the number before is the upper part of a fraction without spaces."""
        here = self.tokens[self.at - 1 : self.at + 2]
        kinds = [t.kind for t in here]
        return (
            kinds == ["number", "sign", "number"]
            and here[1].text == "/"
            and here[0].end == here[1].start
            and here[1].end == here[2].start
        )

    def _power(self) -> Node:
        if self._sign() in ("-", "+"):
            sign = self._take().text
            node = self._power()
            return Node("neg", (node,)) if sign == "-" else node
        node = self._operand()
        if self._sign() == "^":
            self._take()
            return Node("^", (node, self._power()))
        return node

    def _operand(self) -> Node:
        token = self._next()
        if token is None:
            raise Unparsed
        if token.kind == "word" and token.text in ("$", "€", "£"):
            self._take()
            token = self._next()
            if token is None or token.kind != "number":
                raise Unparsed
        if token.kind == "number":
            self._take()
            node = Node("", value=token.value, step=token.step, power=token.power)
            node = self._mixed(node, token)
        elif token.text == "(":
            self._take()
            node = self.expression()
            if not self._is(")"):
                raise Unparsed
            self._take()
        elif token.kind == "word" and token.text.lower() in FUNCTIONS and self._is("(", 1):
            self._take()
            return Node(token.text.lower(), (self._operand(),))
        elif token.text in ("π", "pi"):
            self._take()
            node = Node("", value=math.pi, step=0.0)
        else:
            raise Unparsed
        if (after := self._next()) and after.kind == "percent":
            self._take()
            node = Node(node.sign, node.parts, node.value, node.step, True, node.unit, node.power)
        unit = self._unit()
        return Node(node.sign, node.parts, node.value, node.step, node.percent, unit, node.power) if unit else node

    def _mixed(self, node: Node, token: Token) -> Node:
        """`1 1/2`: one and a half."""
        ahead = self.tokens[self.at : self.at + 3]
        kinds = [t.kind for t in ahead]
        if kinds == ["number", "sign", "number"] and ahead[1].text == "/" and ahead[0].start == token.end + 1:
            over, under = ahead[0].value, ahead[2].value
            if ahead[0].end == ahead[1].start and token.step == 1 and 0 < over < under:
                self.at += 3
                return Node("", value=node.value + over / under, step=0.0)
        return node

    def _unit(self) -> str:
        """What is counted or measured: up to `_MOST_WORDS` words, or a unit with its `/` and `^`."""
        start, words = self.at, 0
        while (token := self._next()) is not None:
            before = self.tokens[self.at - 1]
            tight = before.end == token.start
            if token.kind == "word" and token.text.lower() not in _STOP and token.text not in ("$", "π"):
                if len(token.text) <= 2 and not known(token.text) and token.text.lower() not in ("a", "an", "of", "in"):
                    raise Unparsed  # a variable
                if words == _MOST_WORDS:
                    raise Unparsed
                words += 1
            elif token.text == "/" and words and (self._kind(1) == "word" or self._is("(", 1)):
                if self._is("(", 1) and not self._compound_at(self.at + 1):
                    break
            elif (
                token.text == "/"
                and not words
                and tight
                and self._kind(1) == "word"
                and known(self.tokens[self.at + 1].text)
            ):
                pass
            elif token.text == "^" and words and before.kind == "word" and tight:
                self._take()
                self._power_of_unit()
                continue
            elif (
                token.text == "*"
                and words
                and tight
                and self._kind(1) == "word"
                and known(self.tokens[self.at + 1].text)
            ):
                pass
            elif token.text == "(" and tight and before.text == "/" and self._compound_at(self.at):
                self.at = self._compound_at(self.at)
                continue
            elif token.text == "-" and words and tight and self._kind(1) == "word" and before.kind == "word":
                pass
            else:
                break
            self._take()
        while self.at > start and self.tokens[self.at - 1].text.lower() in _LINKS:
            self.at -= 1  # 150 mmol in 24 h
        if start == self.at:
            return ""
        taken = self.tokens[start : self.at]
        return "".join(("" if n and taken[n - 1].end == t.start else " ") + t.text for n, t in enumerate(taken)).strip()

    def _compound_at(self, bracket: int) -> int:
        """Behind the units in brackets there, as in `J/(g*K)`; 0 where no such are."""
        inside = bracket + 1
        while inside < self.end and self.tokens[inside].kind == "word" and known(self.tokens[inside].text):
            inside += 1
            if inside < self.end and self.tokens[inside].text == ")":
                return inside + 1
            if inside < self.end and self.tokens[inside].text == "*":
                inside += 1
        return 0

    def _power_of_unit(self) -> None:
        bracketed = self._is("(")
        if bracketed:
            self._take()
        if self._sign() in ("-", "+"):
            self._take()
        if self._kind() != "number":
            raise Unparsed
        self._take()
        if bracketed:
            if not self._is(")"):
                raise Unparsed
            self._take()

    def _dash(self) -> bool:
        """Whether the sign that comes is punctuation: it stands between spaces, and no operand follows."""
        here = self.tokens[self.at]
        after = self.tokens[self.at + 1] if self.at + 1 < self.end else None
        spaced = self.tokens[self.at - 1].end < here.start and (after is None or after.start > here.end)
        if here.text != "-" or not spaced or after is None:
            return here.text == "-" and spaced
        begins = after.kind in ("number", "bracket", "sign") or after.text in ("$", "π") or after.text in FUNCTIONS
        return not begins

    def _next(self) -> Token | None:
        return self.tokens[self.at] if self.at < self.end else None

    def _kind(self, ahead: int = 0) -> str:
        return self.tokens[self.at + ahead].kind if self.at + ahead < self.end else ""

    def _sign(self) -> str:
        token = self._next()
        return token.text if token and token.kind == "sign" else ""

    def _is(self, text: str, ahead: int = 0) -> bool:
        return self.at + ahead < self.end and self.tokens[self.at + ahead].text == text

    def _take(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]
