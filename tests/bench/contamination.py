"""How many planted exam items the contamination sieve finds, and how many clean rows it takes for some.

    python -m tests.bench.contamination --embedder FOLDER [--clean SOURCE=FILE ...]

Planted are 30 items of the healthcare exam: verbatim, with every 12th or 5th word gone, and reworded. Clean are the domain's seeds,
each series of the exam beside the other, and the questions of the files named. Then the cosine from which on a question is near,
chosen on the even-numbered reworded items, and what it finds of the odd-numbered ones.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.curating.planted import a_job, as_rows, edited, found, halves, items_of_exam, planted
from zoo.api import Example, Rejected
from zoo.curating import likeness
from zoo.curating.exams import Item
from zoo.material import labelled
from zoo.questions import read_items
from zoo.run import Job

LEAST_FOUND, MOST_FALSE = 0.9, 0.02


def said(name: str, taken: dict[str, Rejected], count: int) -> float:
    why = ", ".join(f"{reason} {n}" for reason, n in Counter(r.reason for r in taken.values()).most_common())
    sys.stdout.write(f"{name}: {len(taken)} of {count} ({len(taken) / count:.1%}) {why}\n")
    return len(taken) / count


def clean_rows(job: Job, given: Sequence[str]) -> dict[str, list[Example]]:
    out = {"seeds": list(job.domain.seeds)}
    for entry in given:
        source_id, _, path = entry.partition("=")
        questions = read_items(job.run, job.domain.source(source_id), Path(path), "", "train").questions
        out[source_id] = [labelled(q) for q in questions]
    return out


def thresholds(job: Job, items: list[Item], reworded: list[Example], clean: list[Example]) -> None:
    before = likeness.NEAR, likeness.NEARER
    for near in (0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5):
        likeness.NEAR, likeness.NEARER = near, max(near, before[1])
        taken, false = found(job, reworded), found(job, clean, items)
        odd = {r.id for r in reworded[1::2]}
        sys.stdout.write(
            f"near from {near:.2f}: {len(taken.keys() - odd)} of the even half, {len(taken.keys() & odd)} of the odd, "
            f"{len(false)} of {len(clean)} seeds\n"
        )
    likeness.NEAR, likeness.NEARER = before


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--embedder", type=Path, required=True)
    parser.add_argument("--clean", action="append", default=[])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        job = a_job(Path(folder), args.embedder)
        items = items_of_exam(job)
        verbatim, reworded = planted(items)
        sets = {
            "verbatim": verbatim, "every 12th word gone": edited(verbatim, 12), "every 5th word gone": edited(verbatim, 5),
            "reworded": reworded,
        }  # fmt: skip
        true = [said(name, found(job, rows), len(rows)) for name, rows in sets.items()]
        false = [said(f"clean, {n}", found(job, rows), len(rows)) for n, rows in clean_rows(job, args.clean).items()]
        one, two = halves(items)
        crossed = {**found(job, as_rows(one), two), **found(job, as_rows(two), one)}
        false.append(said("clean, each series of the exam beside the other", crossed, len(items)))
        thresholds(job, items, reworded, list(job.domain.seeds))
    sys.exit(0 if min(true) >= LEAST_FOUND and max(false) <= MOST_FALSE else 1)


if __name__ == "__main__":
    main()
