"""What went into each stage of annotating and what came out of it: every count adds up.

Of a line, `came = kept + went_on + sum(rejected)`; the next line of the same annotator begins with what went on, the first sieve's
with all that was kept before it, and each further one's with what the one before it kept. `readings` begins with the readings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo.api import Example, Reading, Rejected
from zoo.graph.triples import Extracted

GIVEN = "given"  # rows that came with the domain or its sources, and need no teacher


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
        self._before: list[Line] = []
        self._after: list[Line] = []

    def given(self, kept: int, reasons: Mapping[str, int]) -> None:
        """The rows that need no teacher, and why those that were rejected unasked were."""
        rejected = Counter(reasons)
        self._before.append(Line(GIVEN, "checked", kept + rejected.total(), kept, kept, 0, rejected))

    def add(self, of: str, row: Example | Reading | Rejected | Extracted) -> None:
        """A row that annotator `of` made; what was extracted goes on to lines of its own. A row without an attempt was
        rejected at its first stage; one whose last attempt was right and that is not kept was rejected there too."""
        lines = self._lines[of]
        # A stage that an item passes without an attempt takes nothing away from it, and makes nothing right.
        so_far = True
        last = max((n for n, name in enumerate(lines) if any(a.stage == name for a in row.attempts)), default=0)
        for n, line in enumerate(list(lines.values())[: last + 1]):
            line.came += 1
            here = [a for a in row.attempts if a.stage == line.stage]
            line.right += any(a.right for a in here) if here else n < last and so_far
            so_far = any(a.right for a in here) if here else so_far
            line.went_on += n < last
        if isinstance(row, Extracted):
            line.went_on += 1
        elif isinstance(row, Rejected):
            line.rejected[row.reason] += 1
            if row.mistake:
                self.mistakes[row.mistake] += 1
        else:
            line.kept += 1

    def counted(self, of: str, stage: str, came: int, reasons: Iterable[str]) -> None:
        """What came into a stage without answers, and why it rejected those that did not go on."""
        rejected = Counter(reasons)
        left = came - rejected.total()
        self._lines[of][stage] = Line(of, stage, came, left, 0, left, rejected)

    def sieve(self, name: str, came: int, reasons: Iterable[str]) -> None:
        """A stage that all kept rows went through, and why it rejected those it did."""
        rejected = Counter(reasons)
        self._after.append(Line("sieve", name, came, came - rejected.total(), came - rejected.total(), 0, rejected))

    def data(self) -> list[dict[str, Any]]:
        annotators = [line for lines in self._lines.values() for line in lines.values()]
        return [line.data() for line in (*self._before, *annotators, *self._after)]


def table(lines: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The ledger for people, one line a stage that had rows, under a head."""
    rows = [
        (f"{line['of']}, {line['stage']}", *(f"{line[n]:,}" for n in ("in", "right", "kept", "went_on")), why(line))
        for line in lines if line["in"]
    ]  # fmt: skip
    rows.insert(0, ("stage", "in", "right", "kept", "went on", "rejected"))
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *numbers, reasons in rows:
        counts = "  ".join(n.rjust(w) for n, w in zip(numbers, wide[1:], strict=False))
        yield f"{name.ljust(wide[0])}  {counts}  {reasons}".rstrip()


def why(line: Mapping[str, Any]) -> str:
    """For example: `3: no_quote 2, malformed 1`; a dash where nothing was rejected."""
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in line["rejected"].items())
    return f"{sum(line['rejected'].values()):,}: {reasons}" if reasons else "-"
