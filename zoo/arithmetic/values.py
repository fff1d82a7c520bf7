"""The tree of an expression, and what it comes to: without its units, and with them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from zoo.verifiers.units import leading_unit, registry

FUNCTIONS = {"sqrt": math.sqrt, "ln": math.log, "exp": math.exp, "log10": math.log10, "log": math.log10}


@dataclass(frozen=True)
class Node:
    """`sign` is one of `+ - * / ^`, a function's name, `neg`, or empty for a number."""

    sign: str
    parts: tuple[Node, ...] = ()
    value: float = 0.0
    step: float = 0.0
    percent: bool = False
    unit: str = ""
    power: bool = False

    @property
    def calculates(self) -> bool:
        return self.power or self.sign not in ("", "neg") or any(p.calculates for p in self.parts)

    def leaves(self) -> list[Node]:
        return [x for p in self.parts for x in p.leaves()] if self.sign else [self]

    def units(self) -> list[str]:
        """Those of all its numbers and brackets."""
        return ([self.unit] if self.unit else []) + [u for p in self.parts for u in p.units()]

    def leading(self) -> list[Node]:
        """Itself and what it begins with: of `6 + 4 * 2`, `6` too."""
        return [self, *(self.parts[0].leading() if self.sign and self.parts else [])]

    def signs(self) -> set[str]:
        return {self.sign}.union(*(p.signs() for p in self.parts)) if self.sign else set()


@lru_cache(maxsize=4096)
def known(unit: str) -> str:
    """The unit in pint's spelling, empty where it is none or more than one."""
    if not re.search(r"[A-Za-z°]", unit):
        return ""
    found, rest = leading_unit(re.sub(r"/\(([^()]*)\)", lambda m: "/" + m.group(1).replace("*", "/"), unit))
    return found if not re.search(r"\w", rest) else ""


def value_of(node: Node, percent: float, carried: Mapping[float, float]) -> float:
    """The value with units left out; a percentage is worth `percent` times its number. `carried` has what rounded numbers
    stand for. Raises ArithmeticError and ValueError."""
    if not node.sign:
        value = carried.get(node.value, node.value)
        return value * percent if node.percent else value
    parts = [value_of(p, percent, carried) for p in node.parts]
    value = _applied(node.sign, parts)
    return value * percent if node.percent else value


def _applied(sign: str, parts: list[float]) -> float:
    if sign == "neg":
        return -parts[0]
    if sign in FUNCTIONS:
        return FUNCTIONS[sign](parts[0])
    left, right = parts
    if sign == "^":
        if abs(right) > 400 or (left < 0 and right != int(right)):
            raise ValueError("a power out of reach")
        return float(left**right)
    if sign == "/":
        return left / right
    return left * right if sign == "*" else left + right if sign == "+" else left - right


def quantity_of(node: Node) -> Any:
    """The value with its units, as pint has it. Raises where a unit is unknown or does not fit (pint has many errors)."""
    units = registry()
    if not node.sign:
        unit = known(node.unit) if node.unit else "dimensionless"
        if not unit:
            raise ValueError(f"{node.unit} is no unit")
        return units.Quantity(node.value / 100 if node.percent else node.value, unit)
    parts = [quantity_of(p) for p in node.parts]
    if node.sign in ("+", "-"):
        return parts[0] + parts[1] if node.sign == "+" else parts[0] - parts[1]
    if node.sign == "*":
        return parts[0] * parts[1]
    if node.sign == "/":
        return parts[0] / parts[1]
    if node.sign == "neg":
        return -parts[0]
    if node.sign == "^" and abs(node.parts[1].value) <= 9:
        return parts[0] ** parts[1].to("dimensionless").magnitude
    return units.Quantity(_applied(node.sign, [float(parts[0].to("dimensionless").magnitude)]))
