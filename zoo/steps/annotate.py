"""Makes checked examples: a domain's seeds, questions that a teacher writes from passages, and questions with known
answers.

Which rows are kept depends on the answers alone, not on when they arrive: a run that was killed and started again, or
replayed from the cache, leaves the same files.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo import material
from zoo.alike import duplicates
from zoo.annotating import Annotator, Ask, Failed, Material, annotator_digest, load_annotator
from zoo.api import Example, Question, Rejected, Teacher
from zoo.artifact import Artifact, write_rows
from zoo.config import AnnotateSettings
from zoo.console import Progress, progress, say
from zoo.errors import RequestError, ZooError
from zoo.evaluation.suites import load_suite, packaged_suites
from zoo.library import digest_files
from zoo.questions import check_sources, load_questions, suite_questions, telling_texts
from zoo.run import Job, Run, Step
from zoo.teachers import Unanswered
from zoo.teachers.budget import Outcome, in_order
from zoo.teachers.cache import Cache, CachedTeacher, Usage
from zoo.teachers.chosen import chosen, identity_of_teacher, open_teacher

VERSION = 4
_SILENT = 8  # items in a row without any answer, after which the teacher is taken to be gone
UNANSWERED = "unanswered"
_START_S, _LOCAL_CALL_S = 5.0, 2.3  # the local teacher with 135M parameters on two CPU cores; for the plan only
_PROMPT_TOKENS = 400  # what a prompt takes beside the passage: the plan's estimate, no limit
_CALLS_A_PASSAGE, _CALLS_A_QUESTION = 2, 1  # where every answer can be used: write and solve, solve; for the plan only
Item = Material | Question


@dataclass
class Work:
    """The rows of one run as they come: what may be kept, in order, with the text that tells one question from
    another."""

    candidates: list[tuple[Example, str]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    asked: int = 0
    stopped: str | None = None

    def add(self, row: Example | Rejected, key: str = "") -> None:
        if isinstance(row, Rejected):
            self.rejected.append(row)
        else:
            self.candidates.append((row, key or row.question))


def check(run: Run) -> None:
    """Refuses what is known to be wrong before any work: the teacher's options, sources, annotators, verifiers, and
    packaged exams that cannot be kept apart from what trains."""
    if chosen(run) is None and run.recipe.annotate.batch:
        raise RequestError("--batch asks a provider's batch endpoint; name one server with --teacher-url.")
    annotators = _annotators(run)
    check_sources(run)
    for source_id in run.recipe.annotate.sources:
        if run.domain.source(source_id).kind != "questions":
            raise RequestError(f"The source {source_id} holds documents; annotate.sources names question sources.")
    for source_id in material.question_sources(run):
        if run.domain.source(source_id).reasoning == "teacher" and "questions" not in annotators:
            raise RequestError(
                f"The domain {run.domain.name} names no annotator for questions, which {source_id} needs; "
                "see annotators in its domain.yaml."
            )
    for suite_id in packaged_suites(run.domain):
        load_suite(run.domain, suite_id).questions(run)
    if not run.domain.verifiers:
        raise RequestError(
            f"The domain {run.domain.name} names no verifiers, so nothing could be kept; see its domain.yaml."
        )


def _annotators(run: Run) -> dict[str, Annotator]:
    """The domain's annotators by kind of material, of those this step uses."""
    names = run.domain.config.annotators
    return {kind: load_annotator(names[kind]) for kind in ("documents", "questions") if kind in names}


def identity(run: Run) -> dict[str, Any]:
    annotators = _annotators(run).values()
    own = Path(__file__).resolve().parent.parent / "verifiers"
    return {
        "teacher": identity_of_teacher(run),
        "annotators": {a.name: [a.version, annotator_digest(a.name, run.domain)] for a in annotators},
        "verifiers": [digest_files(own, own.glob("*.py")), run.domain.code_digest, run.domain.config.verifiers],
        "seeds": run.domain.digest_of("seeds.jsonl"),
        "sources": material.identity_of_questions(run),
        "suites": material.identity_of_suites(run),
        "embedder": run.embedder.digest,
    }


def plan(run: Run, inputs: dict[str, Artifact]) -> dict[str, Any]:
    """What the teacher would usually be asked, and at the most; answers that the cache holds already cost nothing."""
    settings: AnnotateSettings = run.recipe.annotate
    passages, questions = material.planned_passages(run, inputs.get("ingest")), material.planned_questions(run)
    count = settings.passages if passages is None else len(passages)
    seeds = len(run.domain.seeds) if settings.seeds else 0
    out: dict[str, Any] = {"seeds": seeds, "passages": count, "sources": material.question_sources(run)}
    out["teacher"] = endpoint.model if (endpoint := chosen(run)) else "local"
    out["questions"] = None if questions is None else len(questions)
    usual = most = None
    if count is not None and questions is not None:
        usual = _CALLS_A_PASSAGE * count + _CALLS_A_QUESTION * len(questions)
    if passages is not None and questions is not None:
        annotators = _annotators(run)
        most = sum(annotators["documents"].calls(p, settings) for p in passages)
        most += sum(annotators["questions"].calls(q, settings) for q in questions)
    most = _least(most, settings.max_calls)
    calls = _least(usual, most)
    tokens = settings.max_answer_tokens if endpoint else min(settings.local_answer_tokens, settings.max_answer_tokens)
    out["calls"], out["most_calls"] = calls, most
    out["cost"] = None if endpoint else 0.0
    if calls is not None:
        out["tokens"] = {
            "in": calls * (run.recipe.ingest.passage_tokens + _PROMPT_TOKENS),
            "out": None if most is None else most * tokens,
        }
    if calls is not None and not endpoint:
        out["seconds"] = round(_START_S + _LOCAL_CALL_S * calls)
        out["note"] = "rough: as 135M parameters answer on 2 CPU cores"
    return out


def _least(*limits: int | None) -> int | None:
    return min((n for n in limits if n is not None), default=None)


def run(job: Job) -> dict[str, Any]:
    corpus = material.Corpus.of(job.inputs["ingest"])
    work = Work()
    if job.settings.seeds:
        for row in material.seed_rows(job.domain, corpus):
            work.add(row)
    plain, asked, keys = _questions(job, work)
    for question in plain:
        work.add(material.labelled(question), keys[question.id])
    passages = corpus.sample(job.settings.passages, job.run.recipe.seed) if "documents" in _annotators(job.run) else []
    usage, model = asyncio.run(_ask_all(job, [*asked, *passages], keys, work))
    examples = _without_duplicates(job, work)
    about = {"passages": sum(map(len, corpus.passages.values())), "asked_passages": max(0, work.asked - len(asked))}
    return _finish(job, work, examples, usage, {"teacher": model, **about})


def _questions(job: Job, work: Work) -> tuple[list[Question], list[Question], dict[str, str]]:
    """The sources' questions, those that go on as they are and those to be reasoned about, and each one's key. Rows
    that are no questions are rejected, and so is a question of a kind that the domain cannot verify."""
    plain: list[Question] = []
    asked: list[Question] = []
    keys: dict[str, str] = {}
    for source_id in material.question_sources(job.run):
        found, bad = load_questions(job.run, source_id)
        work.rejected += bad
        keys |= {q.id: text for q, text in zip(found, telling_texts(found), strict=True)}
        questions = material.sampled(found, job.settings.questions, job.run.recipe.seed, source_id)
        if job.domain.source(source_id).reasoning == "none":
            plain += questions
        else:
            asked += [q for q in questions if q.kind in job.domain.verifiers]
            work.rejected += [
                Rejected(reason="domain_has_no_verifier", id=q.id, detail={"kind": q.kind})
                for q in questions
                if q.kind not in job.domain.verifiers
            ]
    return plain, asked, keys


@dataclass
class _Desk:
    """Asks the teacher about one item after the other, and notices when it no longer answers at all."""

    job: Job
    teacher: CachedTeacher
    tokens: int
    bar: Progress
    annotators: dict[str, Annotator]
    kept: int = 0
    silent: int = 0
    asked: int = 0  # items that cost a call: some are turned down before the teacher is asked
    unanswered: int = 0
    calls: int = 0  # of the budget, those that the cache answered included

    def annotator(self, item: Item) -> Annotator:
        return self.annotators["documents" if isinstance(item, Material) else "questions"]

    def most(self, item: Item) -> int:
        return self.annotator(item).calls(item, self.job.settings)

    def gone(self, why: str) -> ZooError:
        teacher = self.teacher.teacher
        return ZooError(
            f"The teacher {teacher.model} at {' and '.join(teacher.places)} does not answer: {why}; see that it runs and give the "
            "same command again, which asks nothing twice."
        )

    async def work(self, item: Item, limit: int) -> Outcome[Example | Rejected]:
        annotator = self.annotator(item)
        ask = Ask(self.teacher, self.tokens, self.job.settings.temperature, limit)
        try:
            row = await annotator.annotate(item, ask, self.job.domain, self.job.settings)
            self.silent = 0 if ask.calls else self.silent
        except Failed as e:
            row, self.silent = _failed(item, e.reason, text=e.text), 0
        except Unanswered as e:
            row = _failed(item, UNANSWERED, error=str(e))
            self.silent, self.unanswered = self.silent + 1, self.unanswered + 1
            # Of a batch all lines that failed come back at once, and a server that is gone ends the run by itself.
            if self.silent >= _SILENT and not self.job.settings.batch:
                raise self.gone(str(e)) from e
        self.asked += bool(ask.calls)
        if isinstance(row, Example):
            self.kept += 1
            credit = Teacher(model=self.teacher.teacher.model, prompt=annotator.name, version=annotator.version)
            row = row.model_copy(update={"teacher": credit})
        self.calls += ask.calls
        self._advance()
        return Outcome(row, ask.calls)

    def _advance(self) -> None:
        """The budget may well be spent before all items are asked about."""
        most = self.job.settings.max_calls
        of = f" of {most}" if most else ""
        share = max((self.bar.done + 1) / (self.bar.total or 1), self.calls / most if most else 0.0)
        self.bar.advance(note=f"{self.kept} passed the checks, {self.calls}{of} calls", share=min(share, 1.0))


def _failed(item: Item, reason: str, **detail: str) -> Rejected:
    if isinstance(item, Material):
        return Rejected(reason=reason, id=item.passage.id, path=item.document.path, detail=detail)
    return Rejected(reason=reason, id=item.id, detail=detail)


async def _ask_all(job: Job, items: Sequence[Item], keys: dict[str, str], work: Work) -> tuple[Usage, str]:
    """Asks about all items within the budget and adds their rows to `work` in the items' order."""
    source = open_teacher(job.run)
    teacher = CachedTeacher(source, Cache(job.run.workspace.cache / "teacher.sqlite"))
    settings: AnnotateSettings = job.settings
    try:
        with progress("items annotated", len(items)) as bar:
            desk = _Desk(job, teacher, source.answer_tokens, bar, _annotators(job.run))
            rows = await in_order(items, desk.work, desk.most, settings.max_calls, settings.items_at_a_time)
    finally:
        await teacher.close()
    if desk.unanswered and desk.unanswered == desk.asked:
        error = next(r.detail["error"] for r in rows if isinstance(r, Rejected) and r.reason == UNANSWERED)
        raise desk.gone(error)
    for item, row in zip(items, rows, strict=False):
        work.add(row, keys.get(item.id, "") if isinstance(item, Question) else "")
    work.asked = len(rows)
    if len(rows) < len(items):
        work.stopped = f"the budget of {settings.max_calls} calls was reached after {len(rows)} of {len(items)} items"
        say(f"  {work.stopped}")
    return teacher.usage, source.model


def _without_duplicates(job: Job, work: Work) -> list[Example]:
    """The candidates that repeat neither an earlier one nor a suite's question; the others are rejected with what
    they repeat."""
    from zoo.embedding import load_embedder

    if not work.candidates:
        return []
    suites = suite_questions(job.run)
    with progress("questions compared", len(suites) + len(work.candidates)) as bar:
        embed = load_embedder(job.run.embedder.folder, bar.advance)
        bar.begin()
        found = duplicates([key for _, key in work.candidates], suites, job.settings.duplicate, embed)
    kept: list[Example] = []
    for (example, _), same in zip(work.candidates, found, strict=True):
        if same is None:
            kept.append(example)
        else:
            reason = "duplicates_suite" if same[0] == "suite" else "duplicates_kept"
            work.rejected.append(
                Rejected(reason=reason, id=example.id, detail={"question": example.question, "of": same[1]})
            )
    return kept


def _finish(job: Job, work: Work, examples: list[Example], usage: Usage, more: dict[str, Any]) -> dict[str, Any]:
    write_rows(job.folder / "examples.jsonl", examples)
    write_rows(job.folder / "rejected.jsonl", work.rejected)
    reasons = dict(Counter(r.reason for r in work.rejected).most_common())
    if not examples:
        took = ", ".join(f"{reason} {n}" for reason, n in reasons.items()) or "there was nothing to ask about"
        raise ZooError(f"annotate kept nothing ({took}); look at {job.folder / 'rejected.jsonl'}.")
    result: dict[str, Any] = {
        "asked": work.asked, "kept": len(examples), "rejected": reasons, "calls": usage.calls, "cached": usage.cached,
        "cost": None if chosen(job.run) else 0.0,
        "tokens": {"in": usage.tokens_in, "out": usage.tokens_out},
        "by_origin": dict(Counter(e.origin for e in examples)),
        "by_source": dict(Counter(e.source for e in examples)), **more,
        "files": {n: f"{n}.jsonl" for n in ("examples", "rejected")},
    }  # fmt: skip
    if work.stopped:
        result["stopped"] = work.stopped
    say(f"  {len(examples)} kept, {len(work.rejected)} rejected" + "".join(f"; {r} {n}" for r, n in reasons.items()))
    return result


STEP = Step("annotate", VERSION, ("ingest",), check, identity, plan, run)
