"""What people see while work runs, on stderr: bars in a terminal, plain lines elsewhere. stdout belongs to results."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_listeners: list[Callable[[str], None]] = []


def say(text: str) -> None:
    """One line on stderr, and in the log of the step that is at work."""
    tell(text)
    for listener in _listeners:
        listener(text)


def tell(text: str) -> None:
    """One line on stderr alone: what is of use only while it is new."""
    sys.stderr.write(text.rstrip() + "\n")
    sys.stderr.flush()


@contextmanager
def heard(listener: Callable[[str], None]) -> Iterator[None]:
    """Within, `listener` gets all that is said too."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def show_cursor() -> None:
    """Gives a terminal back the cursor that a bar hides, on a line of its own."""
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h\n")


class Progress:
    """Counts of one piece of work, with its rate and the time left as the last minute went.

    `note` is what to show beside them, for example a loss; `share` how far the work is, from 0 to 1, where the count alone
    does not say it.
    """

    every_s = 10.0
    window_s = 60.0

    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done, self.note = 0, ""
        self._share = 0.0
        self._said = time.monotonic()
        self.begin()

    def begin(self) -> None:
        """The work begins only now: what came before, such as loading a model, is in no rate."""
        self._first = (time.monotonic(), self.done, self._share)
        self._marks = deque([self._first])  # (when, done, share), a second or more apart

    def advance(self, n: int = 1, note: str = "", share: float | None = None) -> None:
        self.done += n
        self.note = note or self.note
        self._share = share if share is not None else self.done / self.total if self.total else 0.0
        now = time.monotonic()
        if now - self._marks[-1][0] >= 1:
            self._marks.append((now, self.done, self._share))
            while now - self._marks[1][0] > self.window_s:
                self._marks.popleft()
        self._show(now)

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """The items, each counted once the next is asked for."""
        for item in items:
            yield item
            self.advance()

    def _show(self, now: float) -> None:
        if now - self._said >= self.every_s and self.done != self.total:
            self._said = now
            tell(self.line())

    @property
    def rate(self) -> str:
        """Of the last minute; once all is done, of the whole. Empty before there is one."""
        when, done, _ = self._marks[0]
        return pace((self.done - done) / max(time.monotonic() - when, 1e-9), self.unit)

    @property
    def left(self) -> str:
        when, _, share = self._marks[0]
        if not share < self._share < 1:
            return ""
        return duration((time.monotonic() - when) / (self._share - share) * (1 - self._share))

    def line(self) -> str:
        """For example: `  files read: 12 of 30 in 8.0 s, 1.5 files/s, 12 s left`."""
        of = f" of {self.total}" if self.total is not None else ""
        left = f"{self.left} left" if self.left else ""
        parts = [f"{self.done}{of} in {duration(time.monotonic() - self._first[0])}", self.rate, left, self.note]
        return f"  {self.what}: {', '.join(p for p in parts if p)}"

    def close(self) -> None:
        """Says how it ended, also where it broke off: its rate is that of the whole."""
        self._marks = deque([self._first])
        say(self.line())


class _Bar(Progress):
    """The same, drawn by rich."""

    def __init__(self, what: str, total: int | None, unit: str) -> None:
        super().__init__(what, total, unit)
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Rich
        from rich.table import Column

        # In a narrow terminal the note goes on in the next line; else rich would cut off the counts.
        whole = Column(no_wrap=True)
        self.bar = Rich(
            TextColumn("  {task.description}", markup=False), BarColumn(20), MofNCompleteColumn(table_column=whole),
            TimeElapsedColumn(table_column=whole), TextColumn("{task.fields[more]}", markup=False, table_column=Column()),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._task = self.bar.add_task(what, total=total, more="")

    def _show(self, now: float) -> None:
        left = f"{self.left} left" if self.left else ""
        more = ", ".join(p for p in (self.rate, left, self.note) if p)
        self.bar.update(self._task, completed=self.done, more=more)


@contextmanager
def progress(what: str, total: int | None = None, unit: str = "") -> Iterator[Progress]:
    """Shows `what` and how much of it is done. `unit` is what is counted, else the first word of `what`."""
    unit = unit or what.split()[0]
    if sys.stderr.isatty():
        bar = _Bar(what, total, unit)
        try:
            with bar.bar:
                yield bar
        finally:
            bar.close()
    else:
        plain = Progress(what, total, unit)
        try:
            yield plain
        finally:
            plain.close()


def pace(rate: float, unit: str) -> str:
    """1234 tokens/s, 3.2 files/s, 24 items/min; nothing where nothing is done."""
    if rate <= 0:
        return ""
    a, per = (rate, "s") if rate >= 1 else (60 * rate, "min")
    return f"{a:.{0 if a >= 9.95 else 1}f} {unit}/{per}"


def money(usd: float) -> str:
    """12.30 USD; below a cent 0.0047 USD: few calls of a small model cost no more."""
    if usd and usd < 0.01:
        return f"{float(f'{usd:.2g}'):f}".rstrip("0") + " USD"
    return f"{usd:,.2f} USD"


def duration(seconds: float) -> str:
    """0.4 s, 42 s, 9 min 20 s, 2 h 5 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
