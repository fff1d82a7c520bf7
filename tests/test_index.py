"""The index finds what is near, exactly while it is small, and says how well once it is compressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.index import Index, build
from zoo.minhash import repeated, rows_per_band, signature

EMBEDDER = {"name": "e", "digest": "0"}


def unit(n: int, dim: int = 32, clusters: int = 20) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(clusters, dim))[rng.integers(0, clusters, n)] + 0.3 * rng.normal(size=(n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_exact_search_is_cosine(tmp_path: Path) -> None:
    vectors = unit(500)
    facts = build(vectors, tmp_path, 1000, EMBEDDER, 0)
    assert (facts["kind"], facts["recall"]) == ("exact", 1.0)
    (hits,) = Index.load(tmp_path).nearest(vectors[7:8], 3)
    assert [r for r, _ in hits] == np.argsort(-(vectors @ vectors[7]))[:3].tolist()
    assert hits[0][1] == pytest.approx(1.0, abs=1e-5)


def test_a_large_index_is_compressed_and_its_recall_measured(tmp_path: Path) -> None:
    facts = build(unit(6000), tmp_path, 5000, EMBEDDER, 0)
    assert facts["kind"] == "ivf-pq"
    assert 0.3 < facts["recall"] < 1
    assert facts["recall_queries"] == 200
    once = (tmp_path / "index.faiss").read_bytes()
    build(unit(6000), tmp_path, 5000, EMBEDDER, 0)
    assert (tmp_path / "index.faiss").read_bytes() == once


def test_an_empty_index_answers_nothing(tmp_path: Path) -> None:
    build(np.zeros((0, 8), dtype=np.float32), tmp_path, 10, EMBEDDER, 0)
    assert next(Index.load(tmp_path).nearest(unit(1, 8), 5)) == []


def test_a_missing_index_is_said(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="no search index"):
        Index.load(tmp_path)


def test_duplicates_point_to_the_first() -> None:
    base = " ".join(f"word{i}" for i in range(300))
    near = base.replace("word150 ", "other ")
    far = " ".join(f"else{i}" for i in range(300))
    texts = {"a": base, "b": base.upper() + " !", "c": near, "d": far, "e": base[: len(base) // 2]}
    found = {a: (b, s) for a, b, s in repeated(((k, signature(t)) for k, t in texts.items()), 0.85)}
    assert found["b"] == ("a", 1.0)
    assert found["c"][0] == "a" and 0.85 <= found["c"][1] < 1
    assert set(found) == {"b", "c"}


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.85, 0.95, 1.0])
def test_bands_hardly_miss_a_pair_at_the_threshold(threshold: float) -> None:
    rows = rows_per_band(threshold)
    assert (1 - threshold**rows) ** (128 // rows) < 1e-3
