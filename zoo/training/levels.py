"""How hard an example is, for training from basic to complex."""

from __future__ import annotations

import re
from typing import get_args

from zoo.api import Example, Level

LEVELS: tuple[Level, ...] = get_args(Level)  # the easiest first
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])")
FEW, MANY = 2, 5  # steps: up to the one an example is basic, from the other on complex
ONE, SEVERAL = 1, 3  # cited places, likewise


def level_of(example: Example) -> Level:
    """As it is declared. Else by the steps of its reasoning (its lines, or its sentences where it is one line) and by how many
    places it cites: complex from five steps or three places on, basic up to two steps and one place; an example
    without reasoning has no steps."""
    if example.level is not None:
        return example.level
    steps, places = len(steps_of(example.reasoning)), len({(c.passage, c.start, c.quote) for c in example.citations})
    if steps >= MANY or places >= SEVERAL:
        return "complex"
    return "basic" if steps <= FEW and places <= ONE else "intermediate"


def steps_of(reasoning: str) -> list[str]:
    """The lines of a reasoning, or the sentences of its only line."""
    lines = [line.strip() for line in reasoning.splitlines() if line.strip()]
    return _SENTENCE.split(lines[0]) if len(lines) == 1 else lines
