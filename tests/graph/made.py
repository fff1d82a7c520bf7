"""Passages, and what a teacher says they state, made up."""

from __future__ import annotations

import numpy as np

from zoo.annotating import Material
from zoo.api import Document, Passage
from zoo.embedding import Embed
from zoo.graph.merging import Merged, merge
from zoo.graph.statements import extracted
from zoo.graph.triples import Extracted

Said = tuple[str, str, str]


def passage(text: str, document: str = "a.md", number: int = 0, **about: str) -> Material:
    made = Document(id=document, path=document, text=text, **{"source": "sample", "licence": "CC0-1.0", **about})  # type: ignore[arg-type]
    return Material(
        Passage(id=f"{document}#{number}", document=document, text=text, start=0, end=len(text)), made, number
    )


def stated(text: str, *triples: Said, document: str = "a.md", number: int = 0) -> Extracted:
    """What is left of triples for which the whole text, if it is one sentence, else the first that has both names, is quoted."""
    sentences = text.split(". ")
    said = []
    for s, r, o in triples:
        quote = next((x for x in sentences if s.lower() in x.lower() and o.lower() in x.lower()), text)
        said.append({"subject": s, "relation": r, "object": o, "quote": quote})
    found = extracted(passage(text, document, number), said)
    assert not found.rejected, found.rejected
    return found


def fact(subject: str, relation: str, thing: str, document: str = "a.md", number: int = 0, more: str = "") -> Extracted:
    """One passage that states one triple in its own words."""
    return stated(f"{subject} {relation} {thing}{more}.", (subject, relation, thing), document=document, number=number)


def nobody() -> Embed:
    raise AssertionError("no names were to be compared by meaning")


def near() -> Embed:
    """All texts alike."""
    return lambda texts: np.ones((len(texts), 1), dtype=np.float32)


def far() -> Embed:
    return lambda texts: np.eye(len(texts), dtype=np.float32)


def merged(*passages: Extracted) -> Merged:
    return merge(passages, nobody)
