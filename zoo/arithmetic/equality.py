"""Whether the two sides of an equation are equal as people write them: rounded, as a share or a percentage, in another unit."""

from __future__ import annotations

from collections.abc import Mapping

from zoo.arithmetic.values import Node, known, quantity_of, value_of

_ABOUT = 0.02  # what "about" may be off by, relative
_ROUNDED = 0.01  # what two expressions may differ by where one has rounded numbers
_EXACT = 1e-9


def equal(a: Node, b: Node, about: bool, carried: Mapping[float, float]) -> bool | None:
    """None where it cannot be told. `carried` has what rounded numbers stand for. Raises ArithmeticError and ValueError."""
    for known_as in ({}, carried):
        for value in _readings(a, b, known_as):
            if any(_close(value, x, b, about, a) for x in _shown(b, known_as)):
                return True
    if (inside := converted(a, b)) is not None:
        return _close(inside, b.value, b, about or not a.calculates, a)
    return None if _unclear(a, b) else False


def _readings(a: Node, b: Node, carried: Mapping[float, float]) -> list[float]:
    """What an expression may come to: percentages as shares, and as numbers where nothing is multiplied by them."""
    out = [value_of(a, 0.01, carried)]
    leaves = a.leaves()
    if any(x.percent for x in leaves):
        if "*" not in a.signs() or b.percent or any(x.percent and x.value == 100 for x in leaves):
            out.append(value_of(a, 1.0, carried))
        if a.sign in ("+", "-") and a.parts[1].percent and not a.parts[0].percent:
            base, share = value_of(a.parts[0], 0.01, carried), value_of(a.parts[1], 0.01, carried)
            out.append(base * (1 + share) if a.sign == "+" else base * (1 - share))
    return out


def _shown(b: Node, carried: Mapping[float, float]) -> list[float]:
    out = [value_of(b, 0.01, carried)]
    if any(x.percent for x in b.leaves()):
        out.append(value_of(b, 1.0, carried))
    # 2 * 3 = 6 + 4: the calculation goes on from what it came to.
    return out + [value_of(x, 0.01, carried) for x in b.leading()[1:]]


def _close(value: float, shown: float, b: Node, about: bool, a: Node) -> bool:
    """Equal, rounded or cut to the digits shown; "about" allows a little more."""
    off = abs(value - shown)
    if off <= _EXACT * max(1.0, abs(value)):
        return True
    if about and off <= _ABOUT * abs(value):
        return True
    if b.sign and b.calculates and b.sign != "neg":
        rounded = any(x.step < 1 for x in [*a.leaves(), *b.leaves()]) or "/" in a.signs() | b.signs()
        return rounded and off <= _ROUNDED * abs(value)
    step = b.leaves()[0].step * (0.01 if b.percent and abs(shown) < abs(b.value) else 1.0)
    if not a.calculates:
        step = max(step, a.leaves()[0].step)
    if about and step >= 1:
        step = max(step, 10.0 ** _zeros(shown))
    if off <= step / 2 * (1 + _EXACT):
        return True
    return float(int(value / step)) * step == round(shown / step) * step if step and abs(value / step) < 1e15 else False


def _zeros(shown: float) -> int:
    digits = f"{abs(shown):.0f}"
    return len(digits) - len(digits.rstrip("0")) if shown else 0


def converted(a: Node, b: Node) -> float | None:
    """What the left side comes to in the unit of the right one; None where units do not tell."""
    if b.sign or not known(b.unit) or not any(x.unit for x in a.leaves()):
        return None
    try:
        return float(quantity_of(a).to(known(b.unit)).magnitude)
    except Exception:  # pint has its own errors for spellings, dimensions and offsets
        return None


def _unclear(a: Node, b: Node) -> bool:
    """Whether another reading of the units may make it true: a letter that is a variable as well as a unit, a prefix that is
    not written out, or cents for dollars."""
    units = {*a.units(), *b.units()}
    letters = [*a.units(), *(b.units() if b.calculates else [])]
    if any(len(u) == 1 for u in letters) and converted(a, b) is None:
        return True
    left, right = value_of(a, 0.01, {}), value_of(b, 0.01, {})
    if not left or not right:
        return False
    powers = [2, -2] if any(u.startswith("cent") for u in units) else []
    powers += [-9, -6, -3, 3, 6, 9] if len(units) > 1 else []
    return any(abs(abs(left / right) / 10.0**n - 1) < 0.01 for n in powers)
