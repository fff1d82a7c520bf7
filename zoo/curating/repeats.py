"""Questions that repeat an earlier one: of those that say the same, the first is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoo.api import Rejected
from zoo.curating import Pool, Sieved
from zoo.curating.ngrams import words
from zoo.run import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "repeats"
_BLOCK = 256


def sieve(job: Job, pool: Pool) -> Sieved:
    if not len(pool):
        return Sieved()
    found = repeated([c.key for c in pool.candidates], pool.vectors(job), job.settings.duplicate)
    rejected = {}
    for candidate, same in zip(pool.candidates, found, strict=True):
        if same is not None:
            row = pool.row(candidate)
            detail = {"question": row.question, "of": pool.candidates[same].key}
            rejected[candidate.number] = Rejected(reason="duplicates_kept", id=row.id, detail=detail)
    return Sieved(rejected)


def repeated(texts: Sequence[str], vectors: NDArray[np.float32], threshold: float) -> list[int | None]:
    """For each text None, or the place of the earlier one that it repeats and that repeats none itself: equal but for
    case, spaces and punctuation, or else the nearest by embedding, from a cosine of `threshold` on. `vectors`: (texts,
    size), of length 1."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    exact: dict[tuple[str, ...], int] = {}
    kept: list[int] = []
    found: list[int | None] = []
    for start in range(0, len(texts), _BLOCK):
        block = vectors[start : start + _BLOCK]
        scores, places = index.search(block, 1)  # -1 as long as the index is empty
        among = block @ block.T  # its own rows are not in the index yet
        fresh: list[int] = []
        for n in range(len(block)):
            text = tuple(words(texts[start + n]))
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
