"""Where a process spends its CPU: its stack, looked at every few milliseconds of CPU time."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

_EVERY_S = 0.002  # systems may look less often; each look counts all time since the one before
# The innermost frame of a known file says which part it is; what libraries do for it counts with it.
_FILES = (
    ("/openai/", "openai client"), ("/httpx2/", "transport"), ("/httpcore2/", "transport"), ("/anyio/", "transport"),
    ("/h11/", "transport"), ("/aiohttp/", "transport"), ("/httpx_aiohttp/", "transport"), ("/yarl/", "transport"),
    ("asyncio/selector_events.py", "sockets"), ("asyncio/base_events.py", "loop"), ("asyncio/events.py", "loop"),
    ("/selectors.py", "loop"), ("zoo/teachers/cache.py", "cache"),
    ("zoo/teachers/store.py", "cache"), ("zoo/teachers/askers.py", "cache"), ("zoo/teachers/metering.py", "budget"),
    ("zoo/asking.py", "step"), ("zoo/spill.py", "rows"), ("zoo/teachers/budget.py", "order of items"),
    ("zoo/teachers/", "endpoint"), ("/jinja2/", "render"), ("zoo/library.py", "prompt files"),
    ("zoo/quotes.py", "quotes"), ("zoo/verifiers/", "verifiers"), ("grounded_qa/checks.py", "checks"),
    ("grounded_qa/", "annotator"), ("zoo/console.py", "progress"), ("zoo/alike.py", "duplicates"),
    ("zoo/material.py", "corpus"), ("zoo/steps/annotate.py", "step"), ("zoo/artifact.py", "artifact"),
    ("zoo/run.py", "run"),
)  # fmt: skip
# What `annotate`'s `run` calls, by the names of those functions.
_PHASES = {
    "of": "corpus read", "seed_rows": "seeds", "_questions": "questions read", "sample": "passages chosen", "run": "asked",
    "estimate": "estimated", "_repeated": "duplicates found", "_finish": "rows written",
}  # fmt: skip
_ANNOTATING = {"render": "render", "read_json": "read_json", "_first_object": "read_json", "_checked": "read_json"}


class Sampled:
    """Within, `parts` fills with seconds of CPU by part, `phases` by what `annotate`'s `run` was at."""

    def __init__(self) -> None:
        self.parts: Counter[str] = Counter()
        self.phases: Counter[str] = Counter()
        self._known: dict[Any, str] = {}
        self._last = 0.0

    def __enter__(self) -> Sampled:
        self._last = time.process_time()
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, _: int, frame: FrameType | None) -> None:
        part, phase, inner = "", "around the step", ""
        while frame is not None:
            code = frame.f_code
            if code not in self._known:
                self._known[code] = _part(code.co_filename, code.co_name)
            part = part or self._known[code]
            if code.co_name == "run" and code.co_filename.endswith("zoo/steps/annotate.py"):
                phase = _PHASES.get(inner, inner)
            inner, frame = code.co_name, frame.f_back
        now = time.process_time()
        self.parts[part or "other"] += now - self._last
        self.phases[phase] += now - self._last
        self._last = now

    def seconds(self) -> dict[str, dict[str, float]]:
        """Most first, to the hundredth."""
        return {
            "parts": {n: round(s, 2) for n, s in self.parts.most_common()},
            "phases": {n: round(s, 2) for n, s in self.phases.most_common()},
        }


def _part(file: str, name: str) -> str:
    if file.endswith("zoo/annotating.py"):
        return _ANNOTATING.get(name, "annotator")
    return next((part for place, part in _FILES if place in file), "")


def held_mb() -> float:
    """What the process holds in memory now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20
