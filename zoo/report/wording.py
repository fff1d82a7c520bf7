"""Numbers, times and names as the page spells them."""

from __future__ import annotations


def number(value: float | None) -> str:
    """12,345 or 0.25; a dash for what is not known."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def signed(value: float) -> str:
    """A difference of scores, with a true minus sign."""
    return f"{value:+.3f}".replace("-", "−")


def words(name: str) -> str:
    """A name of the records in words: few_shot is few-shot, quote_not_in_passage is quote not in passage."""
    return {"few_shot": "few-shot", "zero_shot": "zero-shot"}.get(name, name.replace("_", " "))


def change(taken: dict[str, float]) -> str:
    """How much `after` is above or below `before`: +4.0%, −12.5%."""
    return f"{100 * (taken['after'] / taken['before'] - 1):+.1f}%".replace("-", "−")
