"""Questions with known answers, and a teacher whose wrong solutions a classifier can tell from right ones by what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.fakes.teacher import Reply

COUNT = 120
SOUND, UNSOUND = (
    f"The weight of the child is taken, and for each kilogram the amount that is {how} gives the dose."
    for how in ("printed", "omitted")
)


def questions(path: Path) -> Path:
    rows = [
        {"id": f"d{n}", "q": f"What dose of zalor does disease{n} need?", "a": f"{n + 100} mg"} for n in range(COUNT)
    ]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def misled(n: int) -> bool:
    """Right by luck: its answer is right, and its reasoning that of wrong ones."""
    return n % 20 == 0


def wrong(n: int) -> bool:
    return n % 2 == 1


def number(body: dict[str, Any]) -> int:
    found = re.search(r"disease(\d+)", body["messages"][0]["content"])
    assert found
    return int(found.group(1))


def script(body: dict[str, Any], before: int) -> Reply:
    n = number(body)
    dose = n + (200 if wrong(n) else 100)
    return Reply(f"{UNSOUND if wrong(n) or misled(n) else SOUND}\nAnswer: {dose} mg")
