"""Exam items planted in training data, verbatim and reworded, and clean rows, with what the contamination sieve finds of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.api import Example, Kind, Rejected
from zoo.artifact import Workspace
from zoo.asking import Work
from zoo.config import Options
from zoo.curating import Pool, contamination, exams
from zoo.curating.exams import Exams, Item
from zoo.library import load_domain
from zoo.run import Job, Run
from zoo.settings import AnnotateSettings, Recipe
from zoo.steps.annotate import STEP
from zoo.weights import Weights

REWORDED = Path(__file__).with_name("reworded.jsonl")


def example(row_id: str, kind: Kind, question: str, choices: Sequence[str], answer: str, **more: Any) -> Example:
    return Example(
        id=row_id, kind=kind, question=question, choices=list(choices), answer=answer, origin="questions", source="planted",
        licence="Apache-2.0", **more,
    )  # fmt: skip


def a_job(folder: Path, embedder: Path) -> Job:
    recipe = Recipe(name="test", base="none", steps=["ingest", "annotate"], annotate=AnnotateSettings())
    run = Run(load_domain("medical"), recipe, Options(workspace=folder), Workspace(folder))
    run.__dict__["embedder"] = Weights("embedder", embedder, "0", "Apache-2.0", "tests", None, False)
    return Job(run, STEP, {}, folder / "step")


def pool_of(job: Job, rows: Sequence[Example]) -> Pool:
    work = Work(job.work)
    for row in rows:
        work.add(row)
    return Pool(work)


def found(job: Job, rows: Sequence[Example], items: Sequence[Item] | None = None) -> dict[str, Rejected]:
    """What the sieve rejects, by the rows' ids; of these items alone where they are given."""
    pool = pool_of(job, rows)
    if items is None:
        return {r.id: r for r in contamination.sieve(job, pool).rejected.values()}
    before = exams.exams_of
    contamination.exams_of = lambda run: Exams(list(items), ["given"], [])
    try:
        return {r.id: r for r in contamination.sieve(job, pool).rejected.values()}
    finally:
        contamination.exams_of = before


def items_of_exam(job: Job) -> list[Item]:
    return [i for i in exams.exams_of(job.run).items if i.suite == "healthcare_exam"]


def planted(items: Sequence[Item]) -> tuple[list[Example], list[Example]]:
    """The same items verbatim and reworded; a row's id is its item's."""
    by_id = {i.id: i for i in items}
    reworded = [json.loads(line) for line in REWORDED.read_text(encoding="utf-8").splitlines()]
    same = [by_id[r["item"]] for r in reworded]
    return (
        [example(i.id, i.kind, i.text, i.choices, i.answer) for i in same],
        [example(r["item"], r["kind"], r["question"], r["choices"], r["answer"]) for r in reworded],
    )


def edited(rows: Sequence[Example], every: int) -> list[Example]:
    """The rows with one word in so many gone, and their options in another order."""
    out = []
    for row in rows:
        words = [w for n, w in enumerate(row.question.split(), 1) if n % every]
        out.append(row.model_copy(update={"question": " ".join(words), "choices": row.choices[::-1]}))
    return out


def as_rows(items: Sequence[Item]) -> list[Example]:
    return [example(i.id, i.kind, i.text, i.choices, i.answer) for i in items]


def halves(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """The exam was written in two series about the same passages: each is clean training data to the other, and as near
    to it as such data comes."""
    return [i for i in items if not i.id.endswith("b")], [i for i in items if i.id.endswith("b")]
