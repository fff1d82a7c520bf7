"""Makes checked examples: a domain's seeds, questions that a teacher writes from passages, and questions with known
answers.

Which rows are kept depends on the answers alone, not on when they arrive: a run that was killed and started again, or
replayed from the cache, leaves the same files.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

from zoo import material
from zoo.annotating import Annotator, Material, annotator_digest, load_annotator
from zoo.api import Question, Rejected
from zoo.artifact import Artifact, write_rows
from zoo.asking import Asked, Item, Work, ask_all, usd
from zoo.config import AnnotateSettings
from zoo.console import money, say
from zoo.curating import curate
from zoo.errors import RequestError, ZooError
from zoo.estimate import Sample, compared, estimate, key_of, said
from zoo.evaluation.suites import load_suite, packaged_suites
from zoo.extent import extent_of, tokens_of
from zoo.ledger import Ledger
from zoo.library import digest_files
from zoo.lineage.forgotten import register
from zoo.questions import check_sources, load_questions, telling_texts
from zoo.run import Job, Run, Step
from zoo.teachers.chosen import chosen, identity_of_teacher, require_teacher, teacher_name
from zoo.teachers.prices import FREE, Price, price_of, require_price

VERSION = 7


def check(run: Run) -> None:
    """Refuses what is known to be wrong before any work: the teacher's options, sources, annotators, verifiers, and
    packaged exams that cannot be kept apart from what trains."""
    require_teacher(run)
    _price(run)
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


def _price(run: Run) -> Price | None:
    """What the teacher costs; None where no price is known. Raises RequestError where a limit in money needs one."""
    endpoint = chosen(run)
    if endpoint is None:
        return FREE
    if run.recipe.annotate.max_cost is not None:
        return require_price(endpoint.model, run.workspace)
    return price_of(endpoint.model, run.workspace)


def identity(run: Run) -> dict[str, Any]:
    annotators = _annotators(run).values()
    own = Path(__file__).resolve().parent.parent / "verifiers"
    price = _price(run)
    # With a limit in money the price decides how many items are asked about.
    priced = {"price": price.identity()} if price and run.recipe.annotate.max_cost is not None else {}
    return {
        "teacher": identity_of_teacher(run),
        **priced,
        "annotators": {a.name: [a.version, annotator_digest(a.name, run.domain)] for a in annotators},
        "verifiers": [digest_files(own, own.glob("*.py")), run.domain.code_digest, run.domain.config.verifiers],
        "seeds": run.domain.digest_of("seeds.jsonl"),
        "sources": material.identity_of_questions(run),
        "suites": material.identity_of_suites(run),
        "embedder": run.embedder.digest,
        **register(run.workspace, run.domain.name).identity(),
    }


def plan(run: Run, inputs: dict[str, Artifact]) -> dict[str, Any]:
    """What the teacher would usually be asked, and at the most; answers that the cache holds already cost nothing.
    Before ingest has read the corpus, a few of its files are read for it."""
    settings: AnnotateSettings = run.recipe.annotate
    annotators, questions = _annotators(run), material.planned_questions(run)
    tokens = tokens_of(run)
    ingest, passages, count = inputs.get("ingest"), list[Material](), 0
    if "documents" in annotators and settings.passages != 0:
        if ingest:
            passages = list(material.Corpus.of(ingest).sample(settings.passages, run.recipe.seed))
            count = len(passages)
        else:
            extent = extent_of(run, tokens)
            passages = list(material.Corpus(extent.documents, extent.passages).sample(None, run.recipe.seed))
            count = min(extent.count, extent.count if settings.passages is None else settings.passages)
    out: dict[str, Any] = {
        "seeds": len(run.domain.seeds) if settings.seeds else 0, "passages": count, "sources": material.question_sources(run),
        "teacher": teacher_name(run), "questions": None if questions is None else len(questions),
        "calls": None, "most_calls": settings.max_calls, "cost": None,
    }  # fmt: skip
    if not ingest and count:
        out["passages_are"] = "estimated"
    if questions is None:
        return out
    if ingest or not count:
        most = sum(annotators["documents"].calls(p, settings) for p in passages)
        most += sum(annotators["questions"].calls(q, settings) for q in questions)
        out["most_calls"] = min(most, most if settings.max_calls is None else settings.max_calls)
    # Of a corpus not read yet the passages known stand for all of them.
    items: list[Item] = [*questions, *islice(cycle(passages), count)]
    found = estimate(run, Sample(items, len(items)), annotators, tokens, _price(run))
    return out | {k: found[k] for k in ("calls", "tokens", "cost", "seconds", "note")}


def run(job: Job) -> dict[str, Any]:
    corpus, annotators, price = material.Corpus.of(job.inputs["ingest"]), _annotators(job.run), _price(job.run)
    settings: AnnotateSettings = job.settings
    with closing(Work(job.work)) as work:
        if settings.seeds:
            forgotten = register(job.run.workspace, job.domain.name).names
            for row in material.seed_rows(job.domain, corpus, forgotten):
                work.add(row)
        plain, asked, keys = _questions(job, work)
        for question in plain:
            work.add(material.labelled(question), keys[question.id])

        def items() -> Iterator[Item]:
            yield from asked
            if "documents" in annotators:
                yield from corpus.sample(settings.passages, job.run.recipe.seed)

        count = len(asked) + (corpus.count(settings.passages) if "documents" in annotators else 0)
        before = estimate(job.run, Sample(items(), count), annotators, tokens_of(job.run), price)
        ledger = Ledger({a.name: a.stages for a in annotators.values()})
        done = asyncio.run(ask_all(job, annotators, items(), count, keys, work, ledger, price))
        about = {
            "teacher": done.model, "passages": corpus.count(None), "asked_passages": max(0, done.ended.begun - len(asked)),
            "estimate": compared(before, done, price, key_of(job.run, annotators)),
        }  # fmt: skip
        return _finish(job, work, ledger, done, price, about)


def _questions(job: Job, work: Work) -> tuple[list[Question], list[Question], dict[str, str]]:
    """The sources' questions, those that go on as they are and those to be reasoned about, and each one's key. Rows
    that are no questions are rejected, and so is a question of a kind that the domain cannot verify."""
    plain: list[Question] = []
    asked: list[Question] = []
    keys: dict[str, str] = {}
    for source_id in material.question_sources(job.run):
        found, bad = load_questions(job.run, source_id)
        for row in bad:
            work.add(row)
        keys |= {q.id: text for q, text in zip(found, telling_texts(found), strict=True)}
        questions = material.sampled(found, job.settings.questions, job.run.recipe.seed, source_id)
        if job.domain.source(source_id).reasoning == "none":
            plain += questions
        else:
            asked += [q for q in questions if q.kind in job.domain.verifiers]
            for q in questions:
                if q.kind not in job.domain.verifiers:
                    work.add(Rejected(reason="domain_has_no_verifier", id=q.id, detail={"kind": q.kind}))
    return plain, asked, keys


def _finish(
    job: Job, work: Work, ledger: Ledger, done: Asked, price: Price | None, more: dict[str, Any]
) -> dict[str, Any]:
    pool, sieved, facts = curate(job, work, ledger)
    kept = pool.candidates
    write_rows(job.folder / "examples.jsonl", pool.lines())
    write_rows(job.folder / "rejected.jsonl", chain((line for _, line in work.rejected.lines()), sieved))
    counts = work.reasons + Counter(r.reason for r in sieved)
    reasons = dict(sorted(counts.items(), key=lambda r: (-r[1], r[0])))
    if not kept:
        took = [f"{reason} {n}" for reason, n in reasons.items()] + ([done.stopped] if done.stopped else [])
        why = ", ".join(took) or "there was nothing to ask about"
        raise ZooError(f"annotate kept nothing ({why}); look at {job.folder / 'rejected.jsonl'}.")
    spent = done.ended.spent
    result: dict[str, Any] = {
        "asked": done.ended.begun, "kept": len(kept), "rejected": reasons, "calls": spent.calls,
        "cached": min(done.usage.cached, spent.calls), "answers": done.answers,
        "cost": usd(spent.cost) if price else None, "paid": usd(done.paid.cost) if price else None,
        "tokens": {"in": spent.tokens_in, "out": spent.tokens_out},
        "by_origin": dict(Counter(c.origin for c in kept)),
        "by_source": dict(Counter(c.source for c in kept)), "ledger": ledger.data(), "mistakes": dict(ledger.mistakes),
        **facts, **more,
        "files": {n: f"{n}.jsonl" for n in ("examples", "rejected")},
    }  # fmt: skip
    if done.stopped:
        result["stopped"] = done.stopped
    _say(result, price)
    return result


def _say(result: dict[str, Any], price: Price | None) -> None:
    reasons, tokens = result["rejected"], result["tokens"]
    why = ": " + ", ".join(f"{reason} {n:,}" for reason, n in reasons.items()) if reasons else ""
    say(f"  {result['kept']:,} kept, {sum(reasons.values()):,} rejected{why}")
    if result["calls"]:
        took = f"{result['calls']:,} calls ({result['cached']:,} from the cache)"
        took += f", {tokens['in']:,} tokens in and {tokens['out']:,} out"
        if price and price.priced:
            took += f", {money(result['cost'])}, of which {money(result['paid'])} in this run"
        say(f"  {took}")
    if accuracy := said(result["estimate"]["off"]):
        say(f"  {accuracy}")


STEP = Step("annotate", VERSION, ("ingest",), check, identity, plan, run)
