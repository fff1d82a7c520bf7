"""What there is to annotate: a domain's seeds with their citations found, the passages of a corpus, the questions of
its sources."""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from zoo.annotating import Material
from zoo.api import Citation, Document, Example, Passage, Question, Rejected, Verdict
from zoo.artifact import Artifact, canonical, digest_file, digest_text
from zoo.library import Domain
from zoo.lineage.forgotten import REASON as FORGOTTEN
from zoo.mapping import fault
from zoo.questions import digest_of_tests, load_questions, place_of
from zoo.quotes import find_quote
from zoo.run import Run


class Corpus:
    """The documents and passages that ingest left."""

    def __init__(self, documents: Iterable[Document], passages: Iterable[Passage]) -> None:
        self.documents = {d.id: d for d in documents}
        self.in_order = list(passages)  # as the rows of an index over them
        self.passages: dict[str, list[Passage]] = defaultdict(list)
        for passage in self.in_order:
            self.passages[passage.document].append(passage)

    @classmethod
    def of(cls, ingest: Artifact) -> Corpus:
        return cls(ingest.rows("documents.jsonl", Document), ingest.rows("passages.jsonl", Passage))

    def count(self, most: int | None) -> int:
        """How many passages `sample` gives."""
        return min(sum(map(len, self.passages.values())), sys.maxsize if most is None else most)

    def sample(self, most: int | None, seed: int, of: type[Material] = Material) -> Iterator[Material]:
        """Passages, one of each document in turn, so that a budget that ends early has seen all documents alike; `of` says for
        which annotator."""
        chance = random.Random(seed)
        queues = []
        for document in sorted(self.passages):
            passages = sorted(self.passages[document], key=lambda p: (p.start, p.id))
            chance.shuffle(passages)
            queues.append(passages)
        chance.shuffle(queues)
        turns = (q[turn] for turn in range(max(map(len, queues), default=0)) for q in queues if turn < len(q))
        for n, passage in enumerate(islice(turns, most)):
            yield of(passage, self.documents[passage.document], n)

    def named(self, file: str) -> list[Document]:
        return [d for d in self.documents.values() if PurePosixPath(d.path).name == PurePosixPath(file).name]


def seed_rows(domain: Domain, corpus: Corpus, forgotten: Collection[str] = ()) -> list[Example | Rejected]:
    """The domain's seeds: cited places found where the cited file is in the corpus, and the answer passed by the
    verifier. Those that cite a file whose name is among the `forgotten` are left out, unless the corpus has another of
    that name with the same words."""
    return [_seed(seed, domain, corpus, forgotten) for seed in domain.seeds]


def _seed(seed: Example, domain: Domain, corpus: Corpus, forgotten: Collection[str]) -> Example | Rejected:
    def rejected(reason: str, detail: dict[str, Any]) -> Rejected:
        return Rejected(reason=reason, id=seed.id, path="seeds.jsonl", detail=detail)

    verifier = domain.verifiers.get(seed.kind)
    if verifier is None:
        return rejected("domain_has_no_verifier", {"kind": seed.kind})
    verdict = verifier(seed, seed.answer)
    if verdict.verdict != "right":
        return rejected("seed_fails_verifier", verdict.model_dump())
    if reason := fault(seed.kind, seed.question, seed.answer, seed.choices):
        return rejected(reason, {"answer": seed.answer, "choices": seed.choices})
    citations: list[Citation] = []
    shown: dict[str, None] = {}
    for citation in seed.citations:
        placed = _place(citation, corpus)
        name = PurePosixPath(citation.document).name
        if name in forgotten and (placed is None or not corpus.named(name)):
            return rejected(FORGOTTEN, {"document": name})
        if placed is None:
            return rejected("quote_not_in_document", citation.model_dump())
        citations.append(placed[0])
        shown[placed[1]] = None
    quotes = Verdict(
        check="quotes", verdict="right", reason=f"{sum(bool(c.passage) for c in citations)} stand in a passage"
    )
    return seed.model_copy(update={
        "origin": "person", "citations": citations, "context": seed.context or "\n\n".join(shown),
        "verdicts": [*([quotes] if any(c.passage for c in citations) else []), verdict],
    })  # fmt: skip


def _place(citation: Citation, corpus: Corpus) -> tuple[Citation, str] | None:
    """The citation with its place, and the text to show for it: the passage, or the quote where no passage holds it
    (its file is not in this corpus, or a passage ends within it). None where the file is there and the quote is
    not."""
    documents = corpus.named(citation.document)
    for document in documents:
        for passage in corpus.passages[document.id]:
            if place := find_quote(citation.quote, passage.text):
                start, end = place
                found = Citation(
                    quote=passage.text[start:end], document=document.id, passage=passage.id, start=start, end=end
                )
                return found, passage.text
    for document in documents:
        if place := find_quote(citation.quote, document.text):
            quote = document.text[slice(*place)]
            return citation.model_copy(update={"document": document.id, "quote": quote}), quote
    return None if documents else (citation, citation.quote)


def question_sources(run: Run) -> list[str]:
    """The question sources this run uses: those the request names, and those of the recipe, in the domain's order."""
    wanted = {*run.options.sources, *run.recipe.annotate.sources}
    return [s.id for s in run.domain.config.sources if s.kind == "questions" and s.id in wanted]


def planned_questions(run: Run) -> list[Question] | None:
    """The questions the teacher would be given; None where a source lies on the Hub, which a plan does not ask."""
    if "questions" not in run.domain.config.annotators:
        return []
    asking = [s for s in question_sources(run) if run.domain.source(s).reasoning == "teacher"]
    if any(place_of(run, run.domain.source(s)) is None for s in asking):
        return None
    most = run.recipe.annotate.questions
    chosen = [q for s in asking for q in sampled(load_questions(run, s)[0], most, run.recipe.seed, s)]
    return [q for q in chosen if q.kind in run.domain.verifiers]


def planned_labelled(run: Run) -> int:
    """How many questions go on as they are, of the sources whose rows lie on this disk."""
    plain = [s for s in question_sources(run) if run.domain.source(s).reasoning == "none"]
    most = run.recipe.annotate.questions
    here = [s for s in plain if place_of(run, run.domain.source(s)) is not None]
    return sum(len(sampled(load_questions(run, s)[0], most, run.recipe.seed, s)) for s in here)


def identity_of_questions(run: Run) -> dict[str, Any]:
    """What decides the questions of a run: each source's file by content, or its place on the Hub; which of its rows
    only test; and how it is mapped."""
    out: dict[str, Any] = {}
    for source_id in question_sources(run):
        source = run.domain.source(source_id)
        path = place_of(run, source)
        out[source_id] = {
            "file": digest_file(path) if path else None, "tests": digest_of_tests(run.domain, source),
            "config": source.model_dump(mode="json"),
        }  # fmt: skip
    return out


def identity_of_suites(run: Run) -> dict[str, Any]:
    """What decides the questions that must not be trained on: the suites and the files their items come from."""
    from zoo.curating.exams import decisive

    return {suite.id: suite.data_identity(run) for suite in decisive(run)}


def sampled(questions: list[Question], most: int | None, seed: int, source_id: str) -> list[Question]:
    """At most `most` of a source's questions, by chance but always the same, in the source's order."""
    if most is None or len(questions) <= most:
        return questions
    chance = random.Random(digest_text(canonical([seed, source_id])))
    return [questions[i] for i in sorted(chance.sample(range(len(questions)), most))]


def labelled(question: Question) -> Example:
    """A question and its gold as a row without reasoning."""
    return Example(
        id=question.id, kind=question.kind, question=question.question, context=question.context,
        choices=question.choices, answer=question.gold, origin="questions", source=question.source,
        licence=question.licence, place=question.place,
    )  # fmt: skip
