"""Judges a label: one of the options where there are any, else the label itself and nothing more."""

from __future__ import annotations

from zoo.api import Example, Question, Verdict
from zoo.verifiers.choice import choice
from zoo.verifiers.reading import answer_of, final, gold_of, plain


def label(example: Example | Question, response: str) -> Verdict:
    """Right where the response is the label, alone, after "the answer is", or on its last line."""
    if example.choices:
        return choice(example, response).model_copy(update={"check": "label"})
    gold, text = plain(gold_of(example)), answer_of(response)
    if not gold:
        return Verdict(check="label", verdict="abstain", reason="the gold label is empty")
    lines = [line for line in text.splitlines() if line.strip()]
    said = [plain(t) for t in (text, final(text)[0], *lines[-1:])]
    return Verdict(check="label", verdict="right" if gold in said else "wrong", reason=f"says {text[:80]!r}")
