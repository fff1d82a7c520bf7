"""The graph within `annotate`: what is asked for it, in which round, and what it leaves.

graph.jsonl             the triples, each with all that state it
graph.graphml           the same for graph tools: a node for each thing, an edge for each triple
graph_quarantine.jsonl  pairs of triples that contradict each other; neither is in the graph
graph_rejected.jsonl    what a teacher named and its passage does not bear out, with the reason
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path as File
from typing import Any

from zoo.annotating import Annotator, Material, load_graph
from zoo.api import Rejected
from zoo.artifact import write_rows
from zoo.asking import Item, Round, Work
from zoo.embedding import Embed
from zoo.graph.contradictions import contradictions
from zoo.graph.graphml import write_graphml
from zoo.graph.items import Path, ToRead, stand_ins
from zoo.graph.merging import Merged, merge
from zoo.graph.paths import Walks, draw
from zoo.graph.triples import Contradiction, Extracted, Triple
from zoo.ledger import Ledger
from zoo.library import digest_files
from zoo.material import Corpus
from zoo.run import Job, Run
from zoo.settings import GraphSettings

STAGES: dict[str, tuple[str, ...]] = {"triples": ("check", "agree")}
FILES = {
    "graph": "graph.jsonl", "graphml": "graph.graphml", "graph_quarantine": "graph_quarantine.jsonl",
    "graph_rejected": "graph_rejected.jsonl",
}  # fmt: skip


def graph_annotators(run: Run) -> dict[str, Annotator]:
    """Those of the domain's annotator of documents, where a graph is wanted. Raises RequestError where that one has none."""
    name = run.domain.config.annotators.get("documents")
    return load_graph(name) if run.recipe.annotate.graph.passages and name else {}


def identity_of_graph(run: Run) -> dict[str, Any]:
    """What decides a graph beside settings and annotators: the rules it is made by."""
    if not graph_annotators(run):
        return {}
    own = File(__file__).resolve().parent
    return {"graph": digest_files(own, [*own.glob("*.py"), *own.glob("*.yaml")])}


def passages_of(corpus: Corpus, settings: GraphSettings, seed: int) -> list[Material]:
    """The passages to read triples from."""
    return list(corpus.sample(settings.passages, seed, ToRead))


def usual_items(passages: list[Material], settings: GraphSettings) -> list[Material]:
    """What will be asked about as far as is known before: the passages, and as many paths as there may be."""
    return [*passages, *stand_ins(passages, settings.hops, settings.questions)]


def rounds(graph: GraphStage | None, items: Iterable[Item], count: int) -> Iterator[Round]:
    """First the passages that triples are read from; then, with what they leave of the budgets, the questions along paths and
    the `count` other items."""
    paths = list[Item]()
    if graph:
        yield Round("passages for the graph", graph.passages, len(graph.passages))
        paths += graph.paths()
    yield Round("items", chain(paths, items), len(paths) + count)


def said(facts: dict[str, Any]) -> str:
    """For example: `the graph: 40 triples of 31 things, of 9 passages; 2 quarantined, 3 paths`."""
    return (
        f"the graph: {facts['triples']:,} triples of {facts['entities']:,} things, of {facts['passages']:,} passages; "
        f"{facts['quarantined']:,} quarantined, {facts['paths']:,} paths"
    )


class GraphStage:
    """The graph of one run: `passages` are to be read; once the rows of those that were lie in `work`, the rest follows."""

    def __init__(self, job: Job, corpus: Corpus, work: Work) -> None:
        self._job, self._work = job, work
        self._settings: GraphSettings = job.settings.graph
        self.passages = passages_of(corpus, self._settings, job.run.recipe.seed)
        self.used: list[Path] = []

    def paths(self) -> list[Path]:
        """What questions are to be written along, of the triples that nothing contradicts."""
        hops, most, seed = self._settings.hops, self._settings.questions, self._job.run.recipe.seed
        walks = Walks(self.triples, self._quarantined)
        places = {m.passage.id: m for m in self.passages}
        self.used = draw(walks, self.triples, places, hops, most, seed)
        return self.used

    @cached_property
    def triples(self) -> list[Triple]:
        barred = {t.id for t in self._quarantined}
        return [t for t in self._merged.triples.values() if t.id not in barred]

    @cached_property
    def _quarantined(self) -> list[Triple]:
        sides = {t.id: t for c in self._contradictions for t in (c.one, c.other)}
        return [sides[i] for i in sorted(sides)]

    @cached_property
    def _contradictions(self) -> list[Contradiction]:
        return contradictions(self._merged.triples.values())

    @cached_property
    def _merged(self) -> Merged:
        return merge(self._extracted(), self._embedder)

    def _extracted(self) -> Iterator[Extracted]:
        return (Extracted.model_validate_json(line) for _, line in self._work.extracted.lines())

    def _embedder(self) -> Embed:
        from zoo.embedding import load_embedder

        return load_embedder(self._job.run.embedder.folder)

    def leave(self, ledger: Ledger) -> dict[str, Any]:
        """Writes the files, counts the triples in the ledger, and tells what there is."""
        folder = self._job.folder
        rejected = [r for e in self._extracted() for r in e.rejected] + self._merged.rejected
        write_rows(folder / FILES["graph"], self.triples)
        write_graphml(folder / FILES["graphml"], self.triples)
        write_rows(folder / FILES["graph_quarantine"], self._contradictions)
        write_rows(folder / FILES["graph_rejected"], rejected)
        self._count(ledger, rejected)
        kept = [s for t in self.triples for s in t.sources]
        return {
            "passages": sum(1 for _ in self._extracted()), "statements": len(kept), "triples": len(self.triples),
            "entities": len({e.id for t in self.triples for e in (t.subject, t.object)}),
            "several_documents": sum(len(t.documents) > 1 for t in self.triples),
            "contradictions": dict(sorted(Counter(c.rule for c in self._contradictions).items())),
            "quarantined": len(self._quarantined), "paths": len(self.used),
            "rejected": dict(sorted(Counter(r.reason for r in rejected).items(), key=lambda r: (-r[1], r[0]))),
        }  # fmt: skip

    def _count(self, ledger: Ledger, rejected: list[Rejected]) -> None:
        """Of statements: those that passed the checks of their own passage, and those that no other document contradicts."""
        passed = sum(len(t.sources) for t in self._merged.triples.values())
        contradicted = sum(len(t.sources) for t in self._quarantined)
        ledger.counted("triples", "check", passed + len(rejected), [r.reason for r in rejected])
        ledger.counted("triples", "agree", passed, ["contradicted"] * contradicted)
