"""The rows of a graph: what one passage states, what all of them do together, and what contradicts what."""

from __future__ import annotations

from typing import Literal

from zoo.api import Attempt, Citation, Rejected, Row

Rule = Literal["negation", "opposite", "quantity", "functional", "superlative"]


class Statement(Row):
    """A triple as a teacher read it in one passage, which the citation's quote proves: both names stand in it, at
    `subject_at` and `object_at` (offsets in the passage's text)."""

    subject: str
    relation: str
    object: str
    citation: Citation
    subject_at: tuple[int, int]
    object_at: tuple[int, int]


class Extracted(Row):
    """What came of a passage: what it states, what was said of it and not kept, and the abbreviations it explains, short
    form to long."""

    id: str
    document: str
    statements: list[Statement]
    rejected: list[Rejected] = []
    abbreviations: dict[str, str] = {}
    attempts: list[Attempt] = []


class Entity(Row):
    """What names that differ in spelling alone, or are explained as each other's abbreviation, have in common. `name` is
    the most usual of `aliases`."""

    id: str
    name: str
    aliases: list[str]


class Triple(Row):
    """What all `sources` state. With `negated` they say that it is not so, with `hedged` that it may be, or is at times."""

    id: str
    subject: Entity
    relation: str
    object: Entity
    negated: bool = False
    hedged: bool = False
    sources: list[Statement]

    @property
    def documents(self) -> set[str]:
        return {s.citation.document for s in self.sources}


class Contradiction(Row):
    """Two triples that cannot both be so, and the rule that says it."""

    rule: Rule
    one: Triple
    other: Triple
