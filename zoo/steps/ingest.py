"""Ingest: documents to passages with an index over them.

Every file is read at its own risk, what cannot be read is listed with its reason, duplicates are dropped with a
pointer to what is kept, and each passage remembers the document, the headings, the page and the span it comes from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from zoo.api import Passage, Rejected
from zoo.artifact import canonical, digest_text, read_rows, write_rows
from zoo.console import progress, say
from zoo.corpus import Corpus, corpus_of, roots_of
from zoo.embedding import load_embedder
from zoo.index import build
from zoo.lineage.forgotten import REASON, Register, register
from zoo.minhash import repeated as repeats
from zoo.passages import BaseTokens, passages
from zoo.reading.isolate import Confinement, Task, read_all
from zoo.reading.journal import Journal
from zoo.run import Job, Run, Step, threads
from zoo.vectors import embedded

START_S, MEGABYTE_S = 3.0, 21.0  # the packaged sample, 0.4 MB, on two CPU cores; for the plan only
DOCUMENTS, PASSAGES, REJECTED = "documents.jsonl", "passages.jsonl", "rejected.jsonl"


def check(run: Run) -> None:
    """Refuses a corpus path that does not exist and a source that the domain does not have."""
    roots_of(run)


def identity(run: Run) -> dict[str, Any]:
    corpus = corpus_of(run)
    files = [[f.source, f.name, f.licence, f.digest()] for f in corpus.chosen]
    return {
        "files": digest_text(canonical(files)), "parsers": run.domain.code_digest,
        "tokenizer": run.base.digest, "embedder": run.embedder.digest, **_forgotten(run).identity(),
    }  # fmt: skip


def _forgotten(run: Run) -> Register:
    return register(run.workspace, run.domain.name)


def plan(run: Run, inputs: dict[str, Any]) -> dict[str, Any]:
    corpus = corpus_of(run)
    megabytes = sum(f.size for f in corpus.chosen if not f.problem) / 2**20
    return {
        "documents": len(corpus.chosen), "megabytes": round(megabytes, 1), **corpus.coverage,
        "seconds": round(START_S + MEGABYTE_S * megabytes),
        "note": "rough: as the packaged sample, mostly text, is read and indexed on 2 CPU cores",
    }  # fmt: skip


def run(job: Job) -> dict[str, Any]:
    corpus = corpus_of(job.run)
    with Journal(job.work / "read.jsonl") as journal:
        _read(job, corpus, journal)
        repeated = {
            a: (b, share) for a, b, share in repeats(journal.signatures(corpus.ids), job.settings.near_duplicate)
        }
        rejected = list(_rejected(corpus, journal, repeated))
        kept = [f for f in corpus.chosen if f.id in journal and f.id not in repeated and not journal.reason(f.id)]
        documents = write_rows(job.folder / DOCUMENTS, (journal.document(f) for f in kept))
        tokens = BaseTokens(job.run.base.folder)
        limit = job.settings.passage_tokens
        with progress("documents cut into passages", len(kept)) as bar:
            cut = (
                p for f in bar.over(kept) for p in passages(journal.document(f), journal.blocks(f.id), tokens, limit)
            )
            count = write_rows(job.folder / PASSAGES, cut)
    write_rows(job.folder / REJECTED, rejected)
    facts = _index(job, count)
    reasons = Counter(reason_class(r.reason) for r in rejected)
    if not documents:
        say(
            "  no document could be read: see rejected.jsonl"
            if rejected
            else "  there are no documents in this request"
        )
    return {
        "documents": documents, "passages": count,
        "rejected": len(rejected) - len(repeated), "duplicates": len(repeated),
        "reasons": dict(sorted(reasons.items())), **corpus.coverage, "index": {k: facts[k] for k in ("kind", "recall")},
        "files": {name.partition(".")[0]: name for name in (DOCUMENTS, PASSAGES, REJECTED)},
    }  # fmt: skip


def _read(job: Job, corpus: Corpus, journal: Journal) -> None:
    """Reads what the journal does not have yet; a kill loses only the files that were in hand."""
    settings = job.settings
    confinement = Confinement(
        job.domain.name, tuple(str(p) for p in job.options.domain_path), settings.timeout_s, settings.memory_mb,
        settings.max_expanded_mb,
    )  # fmt: skip
    tasks, forgotten = [], _forgotten(job.run)
    for f in corpus.chosen:
        digest = f.digest()
        if digest in forgotten.files:
            journal.note(f.id, digest, {"rejected": REASON})
        elif unopened := f.unopened:
            journal.note(f.id, digest, {"rejected": unopened})
        elif not journal.has(f.id, digest):
            tasks.append(Task(f.id, str(f.path), f.name, digest))
    with progress("files read", len(tasks)) as bar:
        for task, answer in read_all(tasks, confinement, settings.workers or threads()):
            known = str(answer.get("signature", "")).partition(":")[0] in forgotten.texts
            journal.note(task.id, task.sha256, {"rejected": REASON} if known else answer)
            bar.advance()


def _rejected(corpus: Corpus, journal: Journal, repeated: dict[str, tuple[str, float]]) -> Iterator[Rejected]:
    for f in corpus.chosen:
        detail: dict[str, Any] = {"source": f.source, "bytes": f.size}
        reason = journal.reason(f.id)
        if f.id in repeated:
            kept, share = repeated[f.id]
            detail.update(kept=kept, similarity=round(share, 3))
            reason = f"duplicate of {kept}" if share == 1 else f"near-duplicate of {kept} ({share:.0%} in common)"
        if reason:
            yield Rejected(reason=reason, path=f.name, id=f.id, detail=detail)


def _index(job: Job, count: int) -> dict[str, Any]:
    """Embeds every passage and writes the index; the passages' order is the order of its rows."""
    embedder = job.run.embedder
    texts = (shown(p) for p in read_rows(job.folder / PASSAGES, Passage))
    vectors = embedded(
        texts, count, lambda done: load_embedder(embedder.folder, done), job.work / "vectors", embedder.digest
    )
    named = {"name": embedder.name, "digest": embedder.digest}
    return build(vectors, job.folder, job.settings.exact_index_below, named, job.run.recipe.seed)


def shown(passage: Passage) -> str:
    """What is embedded of a passage: its headings say what a table or a list is about."""
    return f"{passage.title}\n{passage.text}" if passage.title else passage.text


def reason_class(reason: str) -> str:
    """The kind of a reason, for counting: what stands before its colon; a duplicate's, without what it repeats."""
    kind = reason.partition(":")[0]
    return kind.partition(" of ")[0] if kind.startswith(("duplicate of ", "near-duplicate of ")) else kind


STEP = Step("ingest", 2, (), check, identity, plan, run)
