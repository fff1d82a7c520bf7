"""Questions that repeat an earlier one: of those that say the same, the first is kept."""

from __future__ import annotations

from zoo.alike import repeated
from zoo.api import Rejected
from zoo.curating import Pool, Sieved
from zoo.run import Job

NAME = "repeats"


def sieve(job: Job, pool: Pool) -> Sieved:
    if not len(pool):
        return Sieved()
    found = repeated([c.key for c in pool.candidates], pool.vectors(job), job.settings.duplicate)
    rejected = {}
    for candidate, same in zip(pool.candidates, found, strict=True):
        if same is not None:
            row = pool.row(candidate)
            detail = {"question": row.question, "of": pool.candidates[same].key}
            rejected[candidate.number] = Rejected(
                reason="duplicates_kept", id=row.id, attempts=row.attempts, detail=detail
            )
    return Sieved(rejected)
