"""What texts have in common: the same words, whatever their case and what parts them, or a meaning near by their embeddings."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BLOCK = 256
_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The words of a text in one case, without what parts them."""
    return _WORD.findall(text.casefold())


def normal(text: str) -> str:
    return " ".join(words(text))


def telling(words: Iterable[str], small: Collection[str]) -> set[str]:
    """The words that mean something, without a plural's ending: all but the small ones."""
    return {w[:-1] if len(w) > 3 and w.endswith("s") else w for w in words if w not in small}


def repeated(texts: Sequence[str], vectors: NDArray[np.float32], threshold: float) -> list[int | None]:
    """For each text None, or the place of the earlier one that it repeats and that repeats none itself: equal but for
    case, spaces and punctuation, or else the nearest by embedding, from a cosine of `threshold` on. `vectors`: (texts,
    size), of length 1."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    exact: dict[str, int] = {}
    kept: list[int] = []
    found: list[int | None] = []
    for start in range(0, len(texts), _BLOCK):
        block = vectors[start : start + _BLOCK]
        scores, places = index.search(block, 1)  # -1 as long as the index is empty
        among = block @ block.T  # its own rows are not in the index yet
        fresh: list[int] = []
        for n in range(len(block)):
            text = normal(texts[start + n])
            same = exact.get(text)
            if same is None and places[n, 0] >= 0 and scores[n, 0] >= threshold:
                same = kept[places[n, 0]]
            if same is None and fresh and among[n, fresh].max() >= threshold:
                same = start + fresh[int(among[n, fresh].argmax())]
            if same is None:
                exact[text] = start + n
                fresh.append(n)
            found.append(same)
        index.add(block[fresh])
        kept += [start + n for n in fresh]
    return found
