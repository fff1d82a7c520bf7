"""Passages to be asked about together: beside some, those of other documents or sections that are near in meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from zoo.annotating import Material, Placed
from zoo.api import Passage
from zoo.artifact import Artifact
from zoo.index import Index

if TYPE_CHECKING:
    import numpy as np

    from zoo.asking import Item
    from zoo.material import Corpus

NEAREST, FARTHEST = 0.9, 0.4  # cosines: nearer ones say the same, farther ones have nothing to do with it
OTHERS = 4  # an annotator may turn some of them down
_LOOKED_AT = 64  # of the nearest, most stand in the same section of a long document
_BLOCK = 512  # items whose neighbours are looked for in one search


class Neighbours:
    """Finds them in the index that ingest left, by the vectors that it holds: nothing is embedded again."""

    def __init__(self, corpus: Corpus, index: Index) -> None:
        self._corpus, self._index = corpus, index
        self._rows = {p.id: n for n, p in enumerate(corpus.in_order)}

    @classmethod
    def of(cls, ingest: Artifact, corpus: Corpus) -> Neighbours:
        return cls(corpus, Index.load(ingest.folder))

    def beside(self, items: Iterable[Item], share: float) -> Iterator[Item]:
        """The items; that share of the passages among them, by their numbers, with their neighbours."""
        remaining = iter(items)
        while block := list(islice(remaining, _BLOCK)):
            alone = [m for m in block if isinstance(m, Material) and m.use == Material.use]
            chosen = [m for m in alone if spread(m.number) < share]
            found = dict(zip((m.number for m in chosen), self._near([m.passage for m in chosen]), strict=True))
            for item in block:
                if isinstance(item, Material) and item.use == Material.use and found.get(item.number):
                    yield replace(item, others=found[item.number])
                else:
                    yield item

    def _near(self, passages: list[Passage]) -> Iterator[tuple[Placed, ...]]:
        if not passages:
            return
        vectors = self._index.vectors([self._rows[p.id] for p in passages])
        for passage, vector, hits in zip(passages, vectors, self._index.nearest(vectors, _LOOKED_AT), strict=True):
            near = [(row, self._corpus.in_order[row]) for row, cosine in hits if FARTHEST <= cosine <= NEAREST]
            elsewhere = [row for row, p in near if p.document != passage.document or p.title != passage.title]
            rows = self._unlike(elsewhere, vector)
            placed = (self._corpus.in_order[row] for row in rows)
            yield tuple(Placed(p, self._corpus.documents[p.document]) for p in placed)

    def _unlike(self, rows: list[int], vector: np.ndarray[Any, Any]) -> list[int]:
        """The first of the rows that do not say the same as each other."""
        kept: list[int] = []
        vectors = self._index.vectors(rows)
        at: list[int] = []
        for n, row in enumerate(rows):
            if len(kept) < OTHERS and all(float(vectors[n] @ vectors[m]) <= NEAREST for m in at):
                kept.append(row)
                at.append(n)
        return kept


def spread(number: int) -> float:
    """A number from 0 to 1 for each passage's; of any so many in a row they lie evenly (van der Corput's sequence)."""
    value, step = 0.0, 0.5
    while number:
        number, bit = divmod(number, 2)
        value, step = value + bit * step, step / 2
    return value
