"""What annotate asks about, and in which order: for its plan, which has no answers yet, and for its run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, cycle, islice
from typing import Any

from zoo import material
from zoo.annotating import Annotator, Material, ToStudy, load_annotator, load_reader, use_of
from zoo.api import Question
from zoo.artifact import Artifact
from zoo.asking import Item
from zoo.curating import difficulty
from zoo.errors import RequestError
from zoo.estimate import Sample, estimate
from zoo.extent import extent_of, tokens_of
from zoo.graph import stage
from zoo.neighbours import Neighbours
from zoo.run import Run
from zoo.settings import AnnotateSettings
from zoo.teachers.chosen import teacher_name
from zoo.teachers.prices import Price


def annotators_of(run: Run) -> dict[str, Annotator]:
    """Those that a run uses, by the use that its items name."""
    names = run.domain.config.annotators
    found: dict[str, Annotator] = {}
    if "documents" in names:
        found["documents"] = load_annotator(names["documents"], "documents")
    if "questions" in names:
        found["questions"] = load_annotator(names["questions"], "questions")
    if run.recipe.annotate.reading.passages:
        if "pretraining" not in names:
            raise RequestError(
                f"The domain {run.domain.name} names no annotator for pretraining, which annotate.reading.passages asks for; "
                "see annotators in its domain.yaml."
            )
        found["pretraining"] = load_reader(names["pretraining"])
    return {**found, **stage.graph_annotators(run)}


def wanted(settings: AnnotateSettings, annotators: dict[str, Annotator]) -> dict[type[Material], int | None]:
    """How many passages are asked about, for each annotator that takes some, in this order; None for all."""
    most: dict[type[Material], int | None] = {Material: settings.passages, ToStudy: settings.reading.passages}
    return {of: n for of, n in most.items() if of.use in annotators and n != 0}


@dataclass(frozen=True)
class Agenda:
    """What one run asks about: questions, then passages, each sort in its own order; what the graph adds comes before them.

    `ingest` is None before it has run: `corpus` then holds a few passages, which stand for the `whole` that there will be."""

    run: Run
    annotators: dict[str, Annotator]
    questions: list[Question]
    corpus: material.Corpus
    ingest: Artifact | None = None
    whole: int | None = None

    @property
    def settings(self) -> AnnotateSettings:
        return self.run.recipe.annotate

    @property
    def passages(self) -> dict[type[Material], int]:
        """How many are asked about, for each annotator."""
        whole = self.corpus.count(None) if self.whole is None else self.whole
        most = wanted(self.settings, self.annotators)
        return {of: whole if n is None else min(n, whole) for of, n in most.items()}

    @property
    def count(self) -> int:
        return len(self.questions) + sum(self.passages.values())

    def items(self) -> Iterator[Item]:
        """All but what the graph adds."""
        return self._beside(chain(self.questions, self._passages()))

    def _passages(self) -> Iterator[Material]:
        for of, count in self.passages.items():
            known = self.corpus.sample(count if self.whole is None else None, self.run.recipe.seed, of)
            yield from known if self.whole is None else islice(cycle(list(known)), count)

    def graph(self) -> list[Material]:
        """What the graph adds, as far as it is known before the triples are read."""
        if not self.settings.graph.passages:
            return []
        read = stage.passages_of(self.corpus, self.settings.graph, self.run.recipe.seed)
        return stage.usual_items(read, self.settings.graph)

    def sample(self) -> Sample:
        """For an estimate of it all."""
        first = self.graph()
        every: Iterator[Item] = chain(first, self.questions, self._passages())
        return Sample(every, len(first) + self.count).through(self._beside)

    def most_calls(self) -> int:
        items: Iterator[Item] = chain(self.graph(), self.questions, self._passages())
        return sum(self.annotators[use_of(i)].calls(i, self.settings) for i in items)

    @cached_property
    def _beside(self) -> Callable[[Iterable[Item]], Iterator[Item]]:
        """Puts beside some of the passages those that are near them."""
        if self.ingest is None or not self.settings.multi_passage or len(self.corpus.in_order) < 2:
            return iter
        return partial(Neighbours.of(self.ingest, self.corpus).beside, share=self.settings.multi_passage)


def planned(run: Run, ingest: Artifact | None, price: Price | None) -> dict[str, Any]:
    """What the teacher would usually be asked, and at the most; answers that the cache holds already cost nothing.
    Before ingest has read the corpus, a few of its files are read for it."""
    settings, annotators, tokens = run.recipe.annotate, annotators_of(run), tokens_of(run)
    questions = material.planned_questions(run)
    corpus, whole = material.Corpus([], []), 0
    if wanted(settings, annotators) or settings.graph.passages:
        if ingest:
            corpus = material.Corpus.of(ingest)
        else:
            extent = extent_of(run, tokens)
            corpus, whole = material.Corpus(extent.documents, extent.passages), extent.count
    agenda = Agenda(run, annotators, questions or [], corpus, ingest, None if ingest else whole)
    passages = agenda.passages
    out: dict[str, Any] = {
        "seeds": len(run.domain.seeds) if settings.seeds else 0, "passages": passages.get(Material, 0),
        "sources": material.question_sources(run), "teacher": teacher_name(run),
        "questions": None if questions is None else len(questions),
        "calls": None, "most_calls": settings.max_calls, "cost": None,
    }  # fmt: skip
    if settings.graph.passages:
        out["graph"] = {"passages": settings.graph.passages, "questions": settings.graph.questions}
    if settings.reading.passages:
        out["readings"] = passages[ToStudy]
    known = ingest is not None or not any(passages.values())
    if not known:
        out["passages_are"] = "estimated"
    if questions is None:
        return out
    if known:
        most = agenda.most_calls()
        out["most_calls"] = min(most, most if settings.max_calls is None else settings.max_calls)
    found = estimate(run, agenda.sample(), annotators, tokens, price)
    out |= {k: found[k] for k in ("calls", "tokens", "cost", "seconds", "note")}
    written = len(questions) + passages.get(Material, 0) + (settings.graph.questions if settings.graph.passages else 0)
    # No row is written without a call.
    written = written if settings.max_calls is None else min(written, settings.max_calls)
    student = difficulty.plan(run, out["seeds"] + written)
    if student and out["seconds"] is not None:
        out["seconds"] = round(out["seconds"] + student["student"]["seconds"], 1)
    return out | student
