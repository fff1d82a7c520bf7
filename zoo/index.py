"""A FAISS index over passage vectors: exact cosine while that is affordable, then compressed (IVF-PQ) with its recall
measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.artifact import write_atomic
from zoo.errors import ZooError

if TYPE_CHECKING:
    import numpy as np

INDEX, FACTS = "index.faiss", "index.json"
_TOP = 10
_QUERIES = 200
_TRAIN = 100_000


def build(
    vectors: np.ndarray[Any, Any], folder: Path, exact_below: int, embedder: dict[str, str], seed: int
) -> dict[str, Any]:
    """Writes `index.faiss` and `index.json` into `folder`; what `index.json` says. `vectors`: (n, dim) float32 of
    length 1."""
    import faiss
    import numpy as np

    n, dim = vectors.shape
    facts: dict[str, Any] = {
        "kind": "exact",
        "passages": n,
        "dimensions": dim,
        "metric": "cosine",
        "embedder": embedder,
    }
    if n < max(exact_below, 1):
        index: Any = faiss.IndexFlatIP(dim)
        index.add(vectors)
        facts["recall"] = 1.0
    else:
        index = _compressed(vectors, seed)
        rng = np.random.default_rng(seed)
        asked = vectors[np.sort(rng.choice(n, min(_QUERIES, n), replace=False))]
        facts.update(kind="ivf-pq", lists=index.nlist, probes=index.nprobe, code_bytes=index.code_size)
        facts.update(recall=_recall(index, vectors, asked), recall_at=_TOP, recall_queries=len(asked))
    faiss.write_index(index, str(folder / INDEX))
    write_atomic(folder / FACTS, json.dumps(facts, indent=2) + "\n")
    return facts


def _compressed(vectors: np.ndarray[Any, Any], seed: int) -> Any:
    import faiss
    import numpy as np

    n, dim = vectors.shape
    lists = int(min(4 * n**0.5, max(n // 39, 1)))
    parts = max(p for p in range(1, min(dim, 96) + 1) if dim % p == 0)
    bits = 8 if n >= 39 * 256 else 4
    index = faiss.IndexIVFPQ(faiss.IndexFlatIP(dim), dim, lists, parts, bits, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = index.pq.cp.seed = seed + 1
    rng = np.random.default_rng(seed)
    index.train(vectors[np.sort(rng.choice(n, min(_TRAIN, n), replace=False))])
    index.add(vectors)
    index.nprobe = max(1, min(lists, lists // 8))
    return index


def _recall(index: Any, vectors: np.ndarray[Any, Any], asked: np.ndarray[Any, Any]) -> float:
    """The share of the true ten nearest that the index finds."""
    import faiss

    top = min(_TOP, len(vectors))
    _, true = faiss.knn(asked, vectors, top, metric=faiss.METRIC_INNER_PRODUCT)
    _, found = index.search(asked, top)
    return round(sum(len(set(t) & set(f)) for t, f in zip(true.tolist(), found.tolist(), strict=True)) / true.size, 4)


@dataclass(frozen=True)
class Index:
    """A built index, to ask."""

    facts: dict[str, Any]
    faiss: Any

    @classmethod
    def load(cls, folder: Path) -> Index:
        import faiss

        if not (folder / INDEX).is_file():
            raise ZooError(f"There is no search index in {folder}; run `zoo ingest` again.")
        return cls(json.loads((folder / FACTS).read_text(encoding="utf-8")), faiss.read_index(str(folder / INDEX)))

    def vectors(self, rows: list[int]) -> np.ndarray[Any, Any]:
        """(rows, dim) float32 of length 1: the vectors of these rows of passages.jsonl, of a compressed index as near as it
        keeps them."""
        import faiss
        import numpy as np

        if isinstance(self.faiss, faiss.IndexIVF) and self.faiss.direct_map.no():
            self.faiss.make_direct_map()
        found = np.array([self.faiss.reconstruct(row) for row in rows], dtype=np.float32)
        found = found.reshape(len(rows), self.faiss.d)
        faiss.normalize_L2(found)
        return found

    def nearest(self, vectors: np.ndarray[Any, Any], k: int) -> Iterator[list[tuple[int, float]]]:
        """For each vector up to `k` (row of passages.jsonl, cosine), the nearest first."""
        scores, rows = self.faiss.search(vectors, max(1, min(k, self.faiss.ntotal or 1)))
        for line_scores, line_rows in zip(scores.tolist(), rows.tolist(), strict=True):
            yield [(r, s) for r, s in zip(line_rows, line_scores, strict=True) if r >= 0]
