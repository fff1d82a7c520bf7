"""Rows that the student knows how to answer before it is trained teach it little (as m1 keeps only what its student fails, arXiv
2504.00869): the base is asked each question a few times, and where it is always right the row goes, but for a share of them.

The base is asked as an exam asks it, and the verifier alone judges; where that abstains, the answer was not right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from zoo.api import Example, Rejected, Verdict
from zoo.artifact import digest_file
from zoo.asking import Candidate
from zoo.console import Progress, progress
from zoo.curating import Pool, Sieved
from zoo.estimate import LOCAL_CALL_S, LOCAL_START_S, times_as_large
from zoo.material import planned_labelled
from zoo.prompting import template_path, user_turn
from zoo.run import Job, Run
from zoo.teachers import Request
from zoo.teachers.cache import Cache, CachedTeacher
from zoo.teachers.chosen import identity_of_student, open_student, require_student
from zoo.training.forms import context_is_optional, draw

NAME = "difficulty"
CHECK = "student"
_AT_A_TIME = 64  # rows; the engine makes batches of their requests


def identity(run: Run) -> dict[str, Any]:
    """What decides the student's answers beside the settings; nothing where it is not asked."""
    if not run.recipe.annotate.difficulty.samples:
        return {}
    tokens = run.recipe.evaluate.max_generated_tokens
    return {"student": [*identity_of_student(run), tokens, digest_file(template_path(run.domain))]}


def check(run: Run) -> None:
    """Raises RequestError where the student is to be asked and cannot be."""
    if run.recipe.annotate.difficulty.samples:
        require_student(run)


def plan(run: Run, rows: int) -> dict[str, Any]:
    """The most that asking about `rows`, and the questions that need no teacher, takes, by calls and seconds; nothing where
    the student is not asked."""
    samples = run.recipe.annotate.difficulty.samples
    if not samples:
        return {}
    calls = samples * (rows + planned_labelled(run))
    seconds = LOCAL_START_S + LOCAL_CALL_S * times_as_large(lambda: run.base) * calls
    return {"student": {"calls": calls, "seconds": round(seconds, 1)}}


def sieve(job: Job, pool: Pool) -> Sieved:
    settings = job.settings.difficulty
    asked = [c for c in pool.candidates if pool.row(c).kind in job.domain.verifiers] if settings.samples else []
    if not asked:
        return Sieved()
    right = asyncio.run(_ask_all(job, pool, asked))
    rejected: dict[int, Rejected] = {}
    changed: dict[int, Example] = {}
    for candidate, n in zip(asked, right, strict=True):
        row, said = pool.row(candidate), f"{n} of {settings.samples} right"
        if n == settings.samples and draw(row.id, "easy") >= settings.easy_share:
            detail = {"question": row.question, "answer": row.answer, CHECK: said}
            rejected[candidate.number] = Rejected(reason="too_easy", id=row.id, attempts=row.attempts, detail=detail)
        else:
            verdict = Verdict(check=CHECK, verdict=_verdict(n, settings.samples), reason=said)
            changed[candidate.number] = row.model_copy(update={"verdicts": [*row.verdicts, verdict]})
    of = {str(n): right.count(n) for n in range(settings.samples + 1)}
    easy = right.count(settings.samples)
    facts = {"asked": len(asked), "calls": len(asked) * settings.samples, "rows_by_right_answers": of, "easy": easy}
    return Sieved(rejected, changed, facts)


def _verdict(right: int, samples: int) -> Any:
    """Always right, always wrong, or neither."""
    return "right" if right == samples else "wrong" if right == 0 else "abstain"


async def _ask_all(job: Job, pool: Pool, asked: Sequence[Candidate]) -> list[int]:
    """How many of its answers to each row are right."""
    student = CachedTeacher(open_student(job.run), Cache(job.run.workspace.answers), job.domain.name)
    places = asyncio.Semaphore(_AT_A_TIME)
    try:
        with progress("answers of the student", len(asked) * job.settings.difficulty.samples, "answers") as bar:
            return list(await asyncio.gather(*(_ask(job, pool, c, student, places, bar) for c in asked)))
    finally:
        await student.close()


async def _ask(
    job: Job, pool: Pool, candidate: Candidate, student: CachedTeacher, places: asyncio.Semaphore, bar: Progress
) -> int:
    right = 0
    async with places:
        row = pool.row(candidate)
        for request in requests(job.run, row):
            said = (await student.ask(request)).text
            right += job.domain.verifiers[row.kind](row, said).verdict == "right"
            bar.advance()
    return right


def requests(run: Run, row: Example) -> list[Request]:
    """What the student is asked of a row: with its context where the question does not stand without it."""
    settings = run.recipe.annotate.difficulty
    shown = bool(row.context) and not context_is_optional(row)
    text = user_turn(run.domain, row, context=shown, reasoning=False)
    return [
        Request(
            ({"role": "user", "content": text},),
            run.recipe.evaluate.max_generated_tokens,
            settings.temperature,
            None,
            n,
        )
        for n in range(settings.samples)
    ]
