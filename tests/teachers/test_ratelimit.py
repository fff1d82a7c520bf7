from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import pytest

from zoo.teachers.ratelimit import LONGEST_WAIT_S, Allowance, allowances, retry_after, seconds_of


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2.5"}, 2.5), ({"retry-after-ms": "250", "retry-after": "9"}, 0.25), ({}, None),
        ({"retry-after": "soon"}, None), ({"retry-after": "-3"}, 0.0), ({"retry-after": "1e9"}, LONGEST_WAIT_S),
        ({"retry-after": "nan"}, None), ({"retry-after": "Wed, 21 Oct 9999999999 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)  # fmt: skip
def test_retry_after_in_seconds_milliseconds_and_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_date_ahead_is_so_many_seconds() -> None:
    assert 28 < (retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)}) or 0) <= 30


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20ms", 0.02), ("1s", 1), ("6m0s", 360), ("1h2m3.5s", 3723.5), ("12", 12), ("later", None), ("5 apples", None)],
)
def test_times_until_a_reset(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


def test_a_moment_is_counted_from_now() -> None:
    assert 9 < (seconds_of(str(time.time() + 10)) or 0) <= 10
    assert 9 < (seconds_of(str(round(1000 * (time.time() + 10)))) or 0) <= 10.001
    assert 9 < (seconds_of((datetime.now(UTC) + timedelta(seconds=10)).isoformat().replace("+00:00", "Z")) or 0) <= 10


def test_what_remains_is_read_in_the_spellings_in_use() -> None:
    openai = {
        "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-remaining-tokens": "149984", "x-ratelimit-reset-tokens": "6m0s",
    }  # fmt: skip
    assert allowances(openai.items()) == [Allowance("requests", 59, 1.0), Allowance("tokens", 149984, 360.0)]
    until = (datetime.now(UTC) + timedelta(seconds=30)).isoformat()
    other = {
        "Anthropic-RateLimit-Requests-Remaining": "7",
        "anthropic-ratelimit-requests-reset": until,
        "anthropic-ratelimit-input-tokens-remaining": "5000",
        "anthropic-ratelimit-input-tokens-reset": until,
    }
    assert [(a.of, a.remaining) for a in allowances(other.items())] == [("requests", 7), ("tokens", 5000)]
    assert allowances({"ratelimit-remaining": "3", "ratelimit-reset": "2"}.items()) == [Allowance("requests", 3, 2.0)]
    assert allowances({"x-ratelimit-remaining": "many", "x-ratelimit-reset": "2", "date": "x"}.items()) == []
