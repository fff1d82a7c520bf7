from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.annotating import Material
from zoo.api import Document, Passage, Question
from zoo.index import Index, build
from zoo.material import Corpus
from zoo.neighbours import FARTHEST, NEAREST, OTHERS, Neighbours, spread

# By document and heading; each passage's text is its number.
PLACES = [
    ("a", "x"),
    ("a", "x"),
    ("a", "y"),
    ("b", "x"),
    ("b", "x"),
    ("b", "z"),
    ("c", ""),
    ("c", ""),
    ("d", ""),
    ("e", ""),
]


def corpus() -> Corpus:
    documents = [Document(id=d, path=d, text="", source="s", licence="MIT") for d in "abcde"]
    passages = [
        Passage(id=f"p{n}", document=d, title=title, text=str(n), start=0, end=1) for n, (d, title) in enumerate(PLACES)
    ]
    return Corpus(documents, passages)


def at(*cosines: float) -> np.ndarray[Any, Any]:
    """Vectors at these cosines to the first one, and each otherwise in a direction of its own."""
    rows = np.zeros((len(PLACES), len(PLACES) + 1), dtype=np.float32)
    for n, cosine in enumerate((1.0, *cosines)):
        rows[n, 0], rows[n, n + 1] = cosine, (1 - cosine**2) ** 0.5
    return rows


def beside(folder: Path, vectors: np.ndarray[Any, Any], number: int = 0) -> list[str]:
    build(vectors, folder, 10**6, {}, 0)
    found = corpus()
    first = Material(found.in_order[number], found.documents[PLACES[number][0]], 0)
    (item,) = Neighbours(found, Index.load(folder)).beside([first], 1.0)
    assert isinstance(item, Material) and all(o.passage.document == o.document.id for o in item.others)
    return [o.passage.text for o in item.others]


def test_those_near_in_meaning_come_nearest_first_but_for_the_same_section(tmp_path: Path) -> None:
    cosines = (0.8, 0.6, 0.7, 0.95, 0.3, 0.5, 0.39, 0.0, 0.0)
    assert beside(tmp_path, at(*cosines)) == ["3", "2", "6"]


def test_of_those_that_say_the_same_as_each_other_one_is_shown_and_four_in_all(tmp_path: Path) -> None:
    vectors = at(0, 0.60, 0.61, 0.62, 0.63, 0.64, 0.65, 0.66, 0.67)
    vectors[9] = vectors[8]
    one, *others = beside(tmp_path, vectors)
    assert one in {"8", "9"} and others == ["7", "6", "5"] and OTHERS == 4


def test_a_passage_that_stands_alone_has_none(tmp_path: Path) -> None:
    assert beside(tmp_path, at(*[0.1] * 9)) == []
    assert beside(tmp_path, np.ones((10, 4), dtype=np.float32) / 2) == [], "all say the same"


def test_a_compressed_index_gives_vectors_near_those_it_was_built_of(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(20, 32))
    vectors = np.repeat(centres, 100, axis=0) + 0.4 * rng.normal(size=(2000, 32))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    assert build(vectors, tmp_path, 0, {}, 0)["kind"] == "ivf-pq"
    index, rows = Index.load(tmp_path), [0, 3, 1999, 3]
    found = index.vectors(rows)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5) and found.shape == (4, 32)
    assert (found * vectors[rows]).sum(axis=1).min() > 0.9
    assert index.vectors([]).shape == (0, 32)
    documents = [Document(id=f"d{n}", path="d", text="", source="s", licence="MIT") for n in range(2000)]
    passages = [Passage(id=f"p{n}", document=f"d{n}", text=str(n), start=0, end=1) for n in range(2000)]
    whole = Corpus(documents, passages)
    (item,) = Neighbours(whole, index).beside([Material(passages[250], documents[250], 0)], 1.0)
    assert isinstance(item, Material) and item.others
    near = [float(vectors[250] @ vectors[int(o.passage.text)]) for o in item.others]
    assert FARTHEST - 0.1 < min(near) and max(near) < NEAREST + 0.1


@pytest.mark.parametrize("share", [0.0, 0.15, 0.5])
def test_a_share_of_the_passages_is_chosen_by_their_numbers_and_all_items_stay_in_order(
    tmp_path: Path, share: float
) -> None:
    build(at(*[0.6] * 9), tmp_path, 10**6, {}, 0)
    found = corpus()
    question = Question(id="q", kind="short", question="Which?", gold="x", source="s", licence="MIT")
    items = [question, *(Material(found.in_order[0], found.documents["a"], n) for n in range(2000)), question]
    out = list(Neighbours(found, Index.load(tmp_path)).beside(items, share))
    assert out[0] is out[-1] is question and [m.number for m in out[1:-1] if isinstance(m, Material)] == list(
        range(2000)
    )
    chosen = [m.number for m in out[1:-1] if isinstance(m, Material) and m.others]
    assert abs(len(chosen) - share * 2000) <= 12 and chosen == [n for n in range(2000) if spread(n) < share]
    for start in range(0, 2000, 100):
        assert abs(sum(start <= n < start + 100 for n in chosen) - 100 * share) <= 5
