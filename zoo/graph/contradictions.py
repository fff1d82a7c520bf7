"""Which triples another document contradicts. Decided by rules; where a rule cannot tell, it is no contradiction."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations

from zoo.graph import names, relations
from zoo.graph.quantities import differ, quantity
from zoo.graph.triples import Contradiction, Rule, Statement, Triple

# Of whom, when and in what case: two statements that do not say the same of these are not about the same.
_CASES = re.compile(
    r"\b(?:child\w*|infan\w+|neonat\w+|newborn\w*|adults?|adolescen\w+|elderly|older|young\w*|pregnan\w+|wom[ae]n|m[ae]n|male|female|boys?"
    r"|girls?|mild\w*|moderate\w*|severe\w*|acute\w*|chronic\w*|early|late|renal|hepatic|oral\w*|intraven\w+|intramuscul\w+|topical\w*|inhaled"
    r"|daily|weekly|twice|hourly|maintenance|initial\w*|maximum|minimum|low|high|if|when|unless|except|after|before|during|until|while"
    r"|whereas|in\s+(?:people|those|patients)|since|formerly|no\s+longer|now|\d{4})\b",
    re.I,
)
_MOST = 200  # triples of one subject or object that are held against each other


def contradictions(triples: Iterable[Triple]) -> list[Contradiction]:
    """Every pair that cannot both be so, told by different documents, each pair once, in the order of their ids."""
    ordered = sorted(triples, key=lambda t: t.id)
    found: dict[tuple[str, str], Contradiction] = {}
    for grouped, rule_of in _RULES:
        groups: dict[tuple[str, ...], list[Triple]] = defaultdict(list)
        for triple in ordered:
            for key in grouped(triple):
                groups[key].append(triple)
        for group in groups.values():
            for one, other in combinations(group[:_MOST], 2):
                rule = rule_of(one, other)
                if rule and _of_the_same_case(one, other):
                    found.setdefault((one.id, other.id), Contradiction(rule=rule, one=one, other=other))
    return [found[pair] for pair in sorted(found)]


def _of_the_same_case(one: Triple, other: Triple) -> bool:
    """Whether two documents speak of the same case without reserve, and none says both, as one does that knows when
    either holds."""
    if one.documents & other.documents:
        return False
    return any(_case(a) == _case(b) for a in filter(_plain, one.sources) for b in filter(_plain, other.sources))


def _plain(statement: Statement) -> bool:
    """Whether a statement is made without reserve."""
    return not relations.hedged(statement.relation) and not relations.hedged(statement.citation.quote)


def _case(statement: Statement) -> frozenset[str]:
    """The words of a quote that say of which case it is, but those of the names."""
    quote, start = statement.citation.quote, statement.citation.start
    named = [(s - start, e - start) for s, e in (statement.subject_at, statement.object_at)]
    found = (m for m in _CASES.finditer(quote) if not any(s <= m.start() < e for s, e in named))
    return frozenset(m.group().casefold() for m in found)


def _same_pair(one: Triple, other: Triple) -> Rule | None:
    """Of the same two things: said and denied, or the one relation and its opposite."""
    if one.relation == other.relation:
        return "negation" if one.negated != other.negated else None
    opposite = relations.opposites().get(one.relation) == other.relation
    return "opposite" if opposite and not (one.negated or other.negated) else None


def _one_object(one: Triple, other: Triple) -> Rule | None:
    """Of one subject and relation: two values of a quantity, or two objects where there is only one."""
    if one.relation != other.relation or one.negated or other.negated:
        return None
    if quantity(one.object.name) and quantity(other.object.name):
        return "quantity" if differ(one.object.name, other.object.name) else None
    return (
        "functional"
        if one.relation in relations.functional() and _apart(one.object.aliases, other.object.aliases)
        else None
    )


def _one_subject(one: Triple, other: Triple) -> Rule | None:
    """Two things of which only one can be the first or the most of its kind."""
    if one.relation != other.relation or one.negated or other.negated or not relations.superlative(one.relation):
        return None
    return "superlative" if _apart(one.subject.aliases, other.subject.aliases) else None


def _apart(some: list[str], others: list[str]) -> bool:
    """Whether the names are of two things for sure: neither is a part of the other, as a virus is of a rhinovirus, say."""
    pairs = ((names.key(a), names.key(b)) for a in some for b in others)
    shared = any(names.content(a) & names.content(b) for a in some for b in others)
    return not shared and not any(a in b or b in a for a, b in pairs)


def _pair(triple: Triple) -> Iterator[tuple[str, ...]]:
    yield triple.subject.id, triple.object.id


def _of_subject(triple: Triple) -> Iterator[tuple[str, ...]]:
    if triple.relation in relations.functional() or quantity(triple.object.name):
        yield triple.subject.id, triple.relation


def _of_object(triple: Triple) -> Iterator[tuple[str, ...]]:
    if relations.superlative(triple.relation):
        yield triple.object.id, triple.relation


_Grouping = Callable[[Triple], Iterator[tuple[str, ...]]]
_RULES: tuple[tuple[_Grouping, Callable[[Triple, Triple], Rule | None]], ...] = (
    (_pair, _same_pair), (_of_subject, _one_object), (_of_object, _one_subject),
)  # fmt: skip
