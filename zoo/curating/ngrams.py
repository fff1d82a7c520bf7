"""Runs of words that a text shares with items of suites.

Overlap of 13 words is how GPT-3 found test items in its training data (arXiv 2005.14165, appendix C), of 8 how PaLM did
(arXiv 2204.02311, section 8). A run that several items have is a stock phrase, such as a vignette's beginning: it counts by
so much less as more items have it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")  # soft hyphens, spaces of no width: they part no word


def words(text: str) -> list[str]:
    """The words of a text without case, punctuation and ways of writing a character."""
    return _WORD.findall(_UNSEEN.sub("", unicodedata.normalize("NFKC", text)).casefold())


def spans(text: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    for start in range(len(text) - n + 1):
        yield tuple(text[start : start + n])


@dataclass(frozen=True)
class Shared:
    """What a text has of an item: by its number, how many of its runs, their share of all that the item has (each by one over
    the number of items that have it), and the most words that both have in a row."""

    item: int
    runs: int
    share: float
    words: str


class Grams:
    """Runs of `n` words of many items; of texts that are equal but for case and punctuation only the first counts."""

    def __init__(self, texts: Iterable[str], n: int) -> None:
        self.n = n
        self._items: dict[int, list[int]] = {}  # by a run's hash, which saves the memory of its words
        self._held: dict[int, frozenset[int]] = {}
        seen: set[int] = set()
        for number, text in enumerate(texts):
            held = frozenset(map(hash, spans(found := words(text), n)))
            if hash(tuple(found)) not in seen:
                seen.add(hash(tuple(found)))
                self._held[number] = held
                for gram in held:
                    self._items.setdefault(gram, []).append(number)

    def shared(self, texts: Iterable[str]) -> list[Shared]:
        """Every item that has a run in common with one of the texts, the most alike first."""
        found: dict[int, set[int]] = {}
        where: dict[int, Counter[str]] = {}
        for text in texts:
            of = words(text)
            run: dict[int, int] = {}  # how many runs in a row each item has had up to here
            for start, gram in enumerate(spans(of, self.n)):
                key = hash(gram)
                numbers = self._items.get(key, [])
                run = {i: run.get(i, 0) + 1 for i in numbers}
                for i in numbers:
                    found.setdefault(i, set()).add(key)
                    said = " ".join(of[start - run[i] + 1 : start + self.n])
                    where.setdefault(i, Counter())[said] = len(said)
        out = [
            Shared(i, len(grams), self._share(i, grams), where[i].most_common(1)[0][0]) for i, grams in found.items()
        ]
        return sorted(out, key=lambda s: (-s.share, s.item))

    def _share(self, item: int, grams: set[int]) -> float:
        return sum(1 / len(self._items[g]) for g in grams) / len(self._held[item])
