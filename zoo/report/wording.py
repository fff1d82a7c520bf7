"""Numbers, times and names as the page spells them."""

from __future__ import annotations


def number(value: float | None) -> str:
    """12,345 or 0.25; a dash for what is not known."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def seconds(value: float) -> str:
    """0.4 s, 42 s, 9 min 20 s, 2 h 5 min."""
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def signed(value: float) -> str:
    """A difference of scores, with a true minus sign."""
    return f"{value:+.3f}".replace("-", "−")


def words(name: str) -> str:
    """A name of the records in words: few_shot is few-shot, quote_not_in_passage is quote not in passage."""
    return {"few_shot": "few-shot", "zero_shot": "zero-shot"}.get(name, name.replace("_", " "))
