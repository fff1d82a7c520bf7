"""Makes checked examples: a domain's seeds, questions that a teacher writes from passages, and questions with known
answers.

Which rows are kept depends on the answers alone, not on when they arrive: a run that was killed and started again, or
replayed from the cache, leaves the same files.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from zoo import material
from zoo.alike import duplicates
from zoo.annotating import Annotator, annotator_digest, load_annotator
from zoo.api import Example, Question, Rejected
from zoo.artifact import Artifact, write_rows
from zoo.asking import Work, ask_all
from zoo.config import AnnotateSettings
from zoo.console import progress, say
from zoo.errors import RequestError, ZooError
from zoo.evaluation.suites import load_suite, packaged_suites
from zoo.library import digest_files
from zoo.questions import check_sources, load_questions, suite_questions, telling_texts
from zoo.run import Job, Run, Step
from zoo.teachers.cache import Usage
from zoo.teachers.chosen import chosen, identity_of_teacher

VERSION = 4
_START_S, _LOCAL_CALL_S = 5.0, 2.3  # the local teacher with 135M parameters on two CPU cores; for the plan only
_PROMPT_TOKENS = 400  # what a prompt takes beside the passage: the plan's estimate, no limit
_CALLS_A_PASSAGE, _CALLS_A_QUESTION = 2, 1  # where every answer can be used: write and solve, solve; for the plan only


def check(run: Run) -> None:
    """Refuses what is known to be wrong before any work: the teacher's options, sources, annotators, verifiers, and
    packaged exams that cannot be kept apart from what trains."""
    chosen(run)
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
    annotators = _annotators(job.run)
    passages = corpus.sample(job.settings.passages, job.run.recipe.seed) if "documents" in annotators else []
    usage, model = asyncio.run(ask_all(job, annotators, [*asked, *passages], keys, work))
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
