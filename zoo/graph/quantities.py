"""Whether two texts give one quantity with different values."""

from __future__ import annotations

import re
from functools import lru_cache

from zoo.verifiers.number import TOLERANCE, numbers_in
from zoo.verifiers.units import registry


@lru_cache(maxsize=4096)
def quantity(text: str) -> tuple[float, str, str] | None:
    """(value, unit in pint's spelling, the words around it), or None where the text does not give exactly one number: a range
    and a limit are no value."""
    found = numbers_in(text)
    if len(found) != 1 or found[0].over is not None:
        return None
    number = found[0]
    around = " ".join(re.findall(r"[^\W\d_]+|[<>≤≥~±]", text[: number.start] + " " + text[number.end :])).casefold()
    if re.search(
        r"[<>≤≥~±]|\b(?:about|around|approximately|up|least|most|over|under|above|below|more|less|than)\b", around
    ):
        return None
    return number.value, number.unit, around


def differ(one: str, other: str) -> bool:
    """Whether both are quantities of one dimension, told in the same words, whose values are not the same within 2%."""
    a, b = quantity(one), quantity(other)
    if a is None or b is None or a[2] != b[2] or bool(a[1]) != bool(b[1]):
        return False
    left, right = a[0], b[0]
    if a[1]:
        try:
            right = float(registry().Quantity(b[0], b[1]).to(a[1]).magnitude)
        except Exception:  # pint has its own errors for dimensions, offsets and spellings
            return False
    return abs(left - right) > TOLERANCE * max(abs(left), abs(right))
