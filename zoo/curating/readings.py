"""What becomes of the readings that a teacher wrote: tasks that ask what a suite asks go, the rest is left for pretrain."""

from __future__ import annotations

from collections import Counter
from typing import Any

from zoo.alike import duplicates
from zoo.api import Reading, Rejected
from zoo.artifact import write_rows
from zoo.asking import Work
from zoo.questions import suite_questions
from zoo.run import Job

FILE = "reading.jsonl"  # what pretrain takes them from


def write_readings(job: Job, work: Work) -> tuple[list[Rejected], dict[str, Any]]:
    """Leaves `reading.jsonl`. The readings of which nothing is left, and counts: readings left, their tasks by kind, and those
    refused by reason."""
    from zoo.embedding import load_embedder

    rows = [Reading.model_validate_json(line) for _, line in work.readings.lines()]
    questions = [t.question for r in rows for t in r.tasks]
    suites = suite_questions(job.run) if questions else []
    embed = load_embedder(job.run.embedder.folder) if questions else None
    found = iter(duplicates(questions, suites, job.settings.duplicate, embed) if embed else [])
    kept: list[Reading] = []
    gone: list[Rejected] = []
    for row in rows:
        tasks, refused = [], list(row.refused)
        for task, same in zip(row.tasks, found, strict=False):
            # Of different passages the same may be asked: that is no reason to drop a task.
            if same is None or same[0] != "suite":
                tasks.append(task)
            else:
                detail = {**task.model_dump(), "of": same[1]}
                refused.append(Rejected(reason="duplicates_suite", id=row.passage, detail=detail))
        row = row.model_copy(update={"tasks": tasks, "refused": refused})
        if tasks:
            kept.append(row)
        else:
            gone.append(Rejected(reason="duplicates_suite", id=row.passage, attempts=row.attempts))
    write_rows(job.folder / FILE, kept)
    reasons = Counter(r.reason for row in kept for r in row.refused)
    kinds = Counter(t.kind for row in kept for t in row.tasks)
    return gone, {"passages": len(kept), "tasks": dict(sorted(kinds.items())), "refused": dict(sorted(reasons.items()))}
