"""Numbers, times and names as the page spells them."""

from __future__ import annotations

from typing import Any


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


def pretraining_read(result: dict[str, Any]) -> str:
    """What continued pretraining read of the documents, by its result."""
    if result["text"] == "passages":
        return "their passages as they are"
    kinds = ", ".join(f"{kind} {n:,}" for kind, n in result["tasks"].items())
    tasks = f"{sum(result['tasks'].values()):,} reading tasks ({kinds})" if kinds else "no reading tasks"
    taught = f", {result['taught']:,} of them by the teacher" if result["taught"] else ""
    return f"reading texts, which are their passages with {tasks}{taught} behind them"


def change(taken: dict[str, float]) -> str:
    """How much `after` is above or below `before`: +4.0%, −12.5%."""
    return f"{100 * (taken['after'] / taken['before'] - 1):+.1f}%".replace("-", "−")
