"""What a server says of its rate limits in the headers of its replies."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import mktime_tz, parsedate_tz
from typing import Literal

LONGEST_WAIT_S = 600.0
_EPOCH = 1e9  # a number above is a moment, one below a duration
_EPOCH_MS = 1e12  # and above this one, in milliseconds
_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Allowance:
    """What a server still takes of one thing, requests or tokens, within the next `reset_s` seconds."""

    of: Literal["requests", "tokens"]
    remaining: float
    reset_s: float


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a `Retry-After` header asks to wait, given in seconds or as a date (or in milliseconds by
    `Retry-After-Ms`), at most LONGEST_WAIT_S; None without one that can be read."""
    if (ms := headers.get("retry-after-ms")) is not None and (seconds := _number(ms)) is not None:
        return _within(seconds / 1000)
    value = headers.get("retry-after")
    if value is None:
        return None
    if (seconds := _number(value)) is not None:
        return _within(seconds)
    date = parsedate_tz(value)
    try:
        return None if date is None else _within(mktime_tz(date) - time.time())
    except (ValueError, OverflowError):  # of a year that no calendar has
        return None


def allowances(headers: Iterable[tuple[str, str]]) -> list[Allowance]:
    """Of all headers named `...ratelimit...` those that say what remains and until when: OpenAI's and Groq's
    `x-ratelimit-remaining-requests` with `-reset-requests` (likewise tokens), Anthropic's
    `anthropic-ratelimit-requests-remaining` with `-reset`, and the plain `x-ratelimit-remaining` and
    `ratelimit-remaining`, which count requests."""
    found = {name.lower(): value for name, value in headers if "ratelimit" in name.lower()}
    out = []
    for name, value in found.items():
        remaining, until = _number(value), found.get(name.replace("remaining", "reset"))
        if "remaining" not in name or remaining is None or until is None:
            continue
        reset = seconds_of(until)
        if reset is not None:
            out.append(Allowance("tokens" if "token" in name else "requests", remaining, _within(reset)))
    return out


def seconds_of(text: str) -> float | None:
    """Seconds from now: `1.5`, `20ms`, `6m0s`, a moment in seconds or milliseconds since 1970, or an ISO date; None for
    anything else."""
    number = _number(text)
    if number is not None:
        seconds = number / 1000 if number > _EPOCH_MS else number
        return seconds - time.time() if seconds > _EPOCH else seconds
    parts = _PARTS.findall(text)
    if parts and "".join(a + b for a, b in parts) == text.strip():
        return sum(float(amount) * _SECONDS[unit] for amount, unit in parts)
    try:
        return datetime.fromisoformat(text.strip()).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _within(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT_S)
