"""What a teacher says a passage states, held against the passage: only what stands there word for word becomes a statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.annotating import Material
from zoo.api import Citation, Rejected
from zoo.fencing import order_in
from zoo.graph import names, relations
from zoo.graph.triples import Extracted, Statement
from zoo.quotes import find_quote


class Untrue(Exception):
    """A check that a triple did not pass; the message is the reject reason."""


def extracted(item: Material, said: Sequence[Mapping[str, str]]) -> Extracted:
    """The statements among `said` (each with subject, relation, object and quote), and the rest with the reason."""
    kept: dict[tuple[str, str, str], Statement] = {}
    rejected = []
    for triple in said:
        try:
            statement = checked(item, triple)
            same = (
                names.key(statement.subject),
                relations.relation_of(statement.relation).key,
                names.key(statement.object),
            )
            if same in kept:
                raise Untrue("said_before")
            kept[same] = statement
        except Untrue as e:
            detail: dict[str, Any] = {"triple": dict(triple)}
            rejected.append(Rejected(reason=str(e), id=item.passage.id, path=item.document.path, detail=detail))
    short = names.abbreviations(item.passage.text)
    return Extracted(
        id=item.passage.id,
        document=item.document.id,
        statements=list(kept.values()),
        rejected=rejected,
        abbreviations=short,
    )


def checked(item: Material, said: Mapping[str, str]) -> Statement:
    """Raises Untrue where the quote is not in the passage, a name not in the quote or none at all, or the relation takes back
    what the quote says."""
    subject, relation, thing = (said[n].strip() for n in ("subject", "relation", "object"))
    for name in (subject, thing):
        if reason := names.fault(name):
            raise Untrue(reason)
    if not any(c.isalpha() for c in relation):
        raise Untrue("empty_relation")
    if len(relation.split()) > relations.MOST_WORDS:
        raise Untrue("relation_too_long")
    if names.key(subject) == names.key(thing):
        raise Untrue("subject_is_object")
    if any(map(order_in, (subject, relation, thing, said["quote"]))):
        raise Untrue("carries_an_order")
    text = item.passage.text
    place = find_quote(said["quote"], text)
    if place is None:
        raise Untrue("quote_not_in_passage")
    quote = text[slice(*place)]
    spans = _apart(_spans(subject, quote, "subject"), _spans(thing, quote, "object"))
    between = quote[min(spans[0][1], spans[1][1]) : max(spans[0][0], spans[1][0])]
    if not relations.borne_out(relation, quote):
        raise Untrue("relation_not_in_quote")
    if _turned(relation, between, spans[0][0] < spans[1][0]):
        raise Untrue("turned_about")
    if relations.negates(between) and not relations.negates(relation):
        raise Untrue("negation_lost")
    if relations.doubts(between) and not relations.hedged(relation):
        raise Untrue("doubt_lost")
    if relations.negates(relation) and not relations.negates(quote):
        raise Untrue("negation_added")
    start = place[0]
    cited = Citation(quote=quote, document=item.document.id, passage=item.passage.id, start=start, end=place[1])
    (s1, e1), (s2, e2) = spans
    return Statement(
        subject=subject, relation=relation, object=thing, citation=cited,
        subject_at=(start + s1, start + e1), object_at=(start + s2, start + e2),
    )  # fmt: skip


def _turned(relation: str, between: str, subject_first: bool) -> bool:
    """Whether what stands between the names is the relation with subject and object changed about."""
    said, found = relations.relation_of(relation), relations.relation_of(between)
    return said.key == found.key and said.turned != (found.turned == subject_first)


def _spans(name: str, quote: str, role: str) -> list[tuple[int, int]]:
    found = names.find_name(name, quote)
    if not found:
        raise Untrue(f"{role}_not_in_quote")
    return found


def _apart(subjects: list[tuple[int, int]], objects: list[tuple[int, int]]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The two nearest places of both names that do not overlap."""
    pairs = [(s, o) for s in subjects for o in objects if s[1] <= o[0] or o[1] <= s[0]]
    if not pairs:
        raise Untrue("names_overlap")
    return min(pairs, key=lambda p: max(p[0][0], p[1][0]) - min(p[0][1], p[1][1]))
