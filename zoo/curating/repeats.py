"""Questions that repeat an earlier one, or one that a suite asks."""

from __future__ import annotations

from zoo.alike import duplicates
from zoo.api import Rejected
from zoo.console import progress
from zoo.curating import Pool, Sieved
from zoo.questions import suite_questions
from zoo.run import Job

NAME = "repeats"


def sieve(job: Job, pool: Pool) -> Sieved:
    from zoo.embedding import load_embedder

    if not len(pool):
        return Sieved()
    suites = suite_questions(job.run)
    with progress("questions compared", len(suites) + len(pool)) as bar:
        embed = load_embedder(job.run.embedder.folder, bar.advance)
        bar.begin()
        found = duplicates([c.key for c in pool.candidates], suites, job.settings.duplicate, embed)
    rejected = {}
    for candidate, same in zip(pool.candidates, found, strict=True):
        if same is not None:
            row = pool.row(candidate)
            reason = "duplicates_suite" if same[0] == "suite" else "duplicates_kept"
            detail = {"question": row.question, "of": same[1]}
            rejected[candidate.number] = Rejected(reason=reason, id=row.id, detail=detail)
    return Sieved(rejected)
