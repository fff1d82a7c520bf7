"""What there is to ask a teacher about for the graph: passages to read triples from, and paths to write questions along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from zoo.annotating import Material, Placed
from zoo.api import Citation
from zoo.artifact import digest_text
from zoo.graph.triples import Entity, Statement, Triple


@dataclass(frozen=True)
class ToRead(Material):
    """A passage to read triples from."""

    use: ClassVar[str] = "graph"


@dataclass(frozen=True)
class Hop:
    """One triple of a path, walked from its subject to its object or, not `forward`, back; `source` is the statement that
    is cited for it, and `material` the passage of that."""

    triple: Triple
    forward: bool
    source: Statement
    material: Material

    @property
    def begin(self) -> Entity:
        return self.triple.subject if self.forward else self.triple.object

    @property
    def end(self) -> Entity:
        return self.triple.object if self.forward else self.triple.subject


@dataclass(frozen=True, kw_only=True)
class Path(Material):
    """Hops that each begin where the one before ends. Its `passage` is that of the first hop; `distractors` are names of the
    same sort as the path's end, none of which its relations lead to."""

    hops: tuple[Hop, ...]
    distractors: tuple[str, ...] = ()
    use: ClassVar[str] = "paths"

    @cached_property
    def id(self) -> str:
        return digest_text("\n".join(f"{h.triple.id} {h.forward}" for h in self.hops))[:16]

    @property
    def start(self) -> Entity:
        return self.hops[0].begin

    @property
    def middles(self) -> list[Entity]:
        return [h.end for h in self.hops[:-1]]

    @property
    def end(self) -> Entity:
        return self.hops[-1].end

    @property
    def shown(self) -> tuple[Placed, ...]:
        """The passages of its hops, each once."""
        materials = (h.material for h in self.hops)
        return tuple({m.passage.id: Placed(m.passage, m.document) for m in materials}.values())


def stand_ins(passages: list[Material], hops: int, count: int) -> Iterator[Path]:
    """What `count` paths may look like before there is a graph, out of the passages' own words: for estimates."""
    for n in range(count if passages else 0):
        chosen = [passages[(n + i) % len(passages)] for i in range(hops)]
        walked = tuple(_stand_in(m, i) for i, m in enumerate(chosen))
        others = ("one thing", "another thing", "a third thing")
        yield Path(chosen[0].passage, chosen[0].document, n, hops=walked, distractors=others)


def _stand_in(material: Material, number: int) -> Hop:
    words = material.passage.text.split()
    things = [Entity(id=f"{number + i}", name=" ".join(words[3 * i : 3 * i + 3]), aliases=[]) for i in (0, 1)]
    quote = Citation(
        quote=" ".join(words[:20]), document=material.document.id, passage=material.passage.id, start=0, end=0
    )
    stated = Statement(
        subject=things[0].name,
        relation="leads to",
        object=things[1].name,
        citation=quote,
        subject_at=(0, 0),
        object_at=(0, 0),
    )
    triple = Triple(id=f"{number}", subject=things[0], relation="causes", object=things[1], sources=[stated])
    return Hop(triple, True, stated, material)


Passages = Mapping[str, Material]
"""The passages that were read, by their ids."""
