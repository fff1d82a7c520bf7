"""What people see while work runs, on stderr: bars in a terminal, plain lines elsewhere. stdout belongs to results."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(text.rstrip() + "\n")
    sys.stderr.flush()


def show_cursor() -> None:
    """Gives a terminal back the cursor that a bar hides, on a line of its own."""
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h\n")


class Progress:
    """Counts of one piece of work. `note` is what to show beside the count, for example a loss."""

    every_s = 10.0

    def __init__(self, what: str, total: int | None) -> None:
        self.what, self.total, self.done, self.note = what, total, 0, ""
        self._start = self._said = time.monotonic()

    def advance(self, n: int = 1, note: str = "") -> None:
        self.done += n
        self.note = note or self.note
        if time.monotonic() - self._said >= self.every_s:
            self._said = time.monotonic()
            say(self.line())

    def line(self) -> str:
        seconds = time.monotonic() - self._start
        left = ""
        if self.total and 0 < self.done < self.total:
            left = f", {duration(seconds / self.done * (self.total - self.done))} left"
        of = f" of {self.total}" if self.total is not None else ""
        note = f", {self.note}" if self.note else ""
        return f"  {self.what}: {self.done}{of} in {duration(seconds)}{left}{note}"


class _Bar(Progress):
    """The same, drawn by rich."""

    def __init__(self, what: str, total: int | None) -> None:
        super().__init__(what, total)
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Rich

        self.bar = Rich(
            TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"), console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._task = self.bar.add_task(what, total=total, note="")

    def advance(self, n: int = 1, note: str = "") -> None:
        self.done += n
        self.note = note or self.note
        self.bar.update(self._task, advance=n, note=self.note)


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Progress]:
    if sys.stderr.isatty():
        bar = _Bar(what, total)
        with bar.bar:
            yield bar
        say(bar.line())
    else:
        plain = Progress(what, total)
        yield plain
        say(plain.line())


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
