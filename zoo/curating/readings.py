"""What becomes of the readings that a teacher wrote: tasks that ask what a suite asks go, the rest is left for pretrain."""

from __future__ import annotations

from collections import Counter
from typing import Any

from zoo.api import Reading, Rejected
from zoo.artifact import write_rows
from zoo.asking import Work
from zoo.curating.contamination import Copies
from zoo.curating.exams import exams_of
from zoo.run import Job

FILE = "reading.jsonl"  # what pretrain takes them from


def write_readings(job: Job, work: Work) -> tuple[list[Rejected], dict[str, Any]]:
    """Leaves `reading.jsonl`. The readings of which nothing is left, and counts: readings left, their tasks by kind, and those
    refused by reason."""
    rows = [Reading.model_validate_json(line) for _, line in work.readings.lines()]
    copies = Copies(exams_of(job.run).items)
    kept: list[Reading] = []
    gone: list[Rejected] = []
    for row in rows:
        found = [(task, copies.rejected_task(row.passage, task)) for task in row.tasks]
        copied = [c for _, c in found if c]
        # Of different passages the same may be asked: that is no reason to drop a task.
        left = [task for task, c in found if c is None]
        if left:
            kept.append(row.model_copy(update={"tasks": left, "refused": [*row.refused, *copied]}))
        else:
            gone += [c.model_copy(update={"attempts": row.attempts}) for c in copied[:1]]
    write_rows(job.folder / FILE, kept)
    reasons = Counter(r.reason for row in kept for r in row.refused)
    kinds = Counter(t.kind for row in kept for t in row.tasks)
    return gone, {"passages": len(kept), "tasks": dict(sorted(kinds.items())), "refused": dict(sorted(reasons.items()))}
