"""What the rows of all annotators and seeds go through in the end: one sieve after the other, each with its reasons.

A sieve is a module with `NAME` and `sieve(job, pool) -> Sieved`, or None where it was not asked for. It sees the rows that those
before it left.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.api import Example, Rejected
from zoo.asking import Candidate, Work
from zoo.embedding import Embed
from zoo.ledger import Ledger
from zoo.run import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

# In this order: what is cheap to say and must hold whatever else does comes first.
SIEVES = ("contamination", "repeats", "difficulty", "length", "quality")


class Pool:
    """The rows still kept, in order. Only their candidates are in memory; a row is read from disk when it is asked for."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._changed: dict[int, Example] = {}
        self.candidates = sorted(work.candidates, key=lambda c: c.number)
        self._vectors: tuple[dict[int, int], Vectors] | None = None
        self._embed: Embed | None = None

    def __len__(self) -> int:
        return len(self.candidates)

    def row(self, candidate: Candidate) -> Example:
        if candidate.number in self._changed:
            return self._changed[candidate.number]
        return Example.model_validate_json(self._work.examples.line(candidate.number))

    def vectors(self, job: Job) -> Vectors:
        """(rows, size) of length 1: the embedding of each candidate's key, computed once for all sieves."""
        if self._vectors is None:
            keys = [c.key for c in self.candidates]
            place = {c.number: n for n, c in enumerate(self.candidates)}
            self._vectors = place, self.embedded(job, keys, "questions")
        place, found = self._vectors
        return found[[place[c.number] for c in self.candidates]]

    def embedded(self, job: Job, texts: list[str], what: str) -> Vectors:
        """(texts, size) of length 1, kept on disk while the step runs."""
        from zoo import embedding, vectors

        model = job.run.embedder
        folder = job.work / "vectors"

        def load(done: Callable[[int], None]) -> Embed:
            self._done = done
            if self._embed is None:
                self._embed = embedding.load_embedder(model.folder, lambda n: self._done(n))
            return self._embed

        return vectors.embedded(texts, len(texts), load, folder, model.digest, what)

    def refused(self) -> Iterator[Rejected]:
        """The rows that were rejected before any sieve, in order."""
        for _, line in self._work.rejected.lines():
            yield Rejected.model_validate_json(line)

    def take(self, sieved: Sieved) -> None:
        """Leaves what a sieve left."""
        self._changed |= sieved.changed
        self.candidates = [c for c in self.candidates if c.number not in sieved.rejected]

    def lines(self) -> Iterator[bytes]:
        """The rows as JSON lines."""
        for c in self.candidates:
            if c.number in self._changed:
                yield self._changed[c.number].model_dump_json().encode() + b"\n"
            else:
                yield self._work.examples.line(c.number)


@dataclass(frozen=True)
class Sieved:
    """What a sieve did: rejected rows and changed ones by their candidate's number, and what the record should say of it."""

    rejected: dict[int, Rejected] = field(default_factory=dict)
    changed: dict[int, Example] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def curate(job: Job, work: Work, ledger: Ledger) -> tuple[Pool, list[Rejected], dict[str, Any]]:
    """The rows left, those that a sieve rejected, and what each sieve said, by its name."""
    pool, rejected, facts = Pool(work), list[Rejected](), dict[str, Any]()
    for module in (importlib.import_module(f"zoo.curating.{name}") for name in SIEVES):
        came = len(pool)
        sieved: Sieved | None = module.sieve(job, pool)
        if sieved is None:
            continue
        pool.take(sieved)
        rows = [row for _, row in sorted(sieved.rejected.items())]
        rejected += rows
        ledger.sieve(module.NAME, came, [r.reason for r in rows])
        if sieved.facts:
            facts[module.NAME] = sieved.facts
    return pool, rejected, facts
