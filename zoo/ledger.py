"""What went into each stage of annotating and what came out of it: every count adds up.

Of a line, `came = kept + went_on + sum(rejected)`; the next line of the same annotator begins with what went on, and that of
a sieve with all examples that were kept before it; that of `readings` with the readings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo.api import Example, Reading, Rejected


@dataclass
class Line:
    """One stage: `right` of what came were judged right in it (of a stage without answers: went on), `kept` became rows,
    `went_on` had another stage."""

    of: str
    stage: str
    came: int = 0
    right: int = 0
    kept: int = 0
    went_on: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def data(self) -> dict[str, Any]:
        reasons = dict(sorted(self.rejected.items(), key=lambda r: (-r[1], r[0])))
        return {
            "of": self.of, "stage": self.stage, "in": self.came, "right": self.right, "kept": self.kept,
            "went_on": self.went_on, "rejected": reasons,
        }  # fmt: skip


class Ledger:
    """Counts rows by the stages their attempts went through."""

    def __init__(self, stages: Mapping[str, Sequence[str]]) -> None:
        """`stages` by annotator, in order."""
        self._lines = {of: {name: Line(of, name) for name in names} for of, names in stages.items()}
        self.mistakes: Counter[str] = Counter()
        self._after: list[Line] = []

    def add(self, of: str, row: Example | Reading | Rejected) -> None:
        """A row that annotator `of` made. One without an attempt was rejected at its first stage; one whose last
        attempt was right and that is not kept was rejected there too."""
        lines = self._lines[of]
        last = max((n for n, name in enumerate(lines) if any(a.stage == name for a in row.attempts)), default=0)
        for n, line in enumerate(list(lines.values())[: last + 1]):
            line.came += 1
            here = [a for a in row.attempts if a.stage == line.stage]
            line.right += any(a.right for a in here) if here else n < last
            line.went_on += n < last
        if isinstance(row, Rejected):
            line.rejected[row.reason] += 1
            if row.mistake:
                self.mistakes[row.mistake] += 1
        else:
            line.kept += 1

    def sieve(self, name: str, came: int, reasons: Iterable[str]) -> None:
        """A stage that all kept rows went through, and why it rejected those it did."""
        rejected = Counter(reasons)
        self._after.append(Line("sieve", name, came, came - rejected.total(), came - rejected.total(), 0, rejected))

    def data(self) -> list[dict[str, Any]]:
        return [line.data() for lines in self._lines.values() for line in lines.values()] + [
            line.data() for line in self._after
        ]
