"""Statements of many passages as one graph: names that mean the same are one entity, what several state is one triple."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from zoo.api import Rejected
from zoo.artifact import digest_text
from zoo.embedding import Embed
from zoo.graph import names
from zoo.graph.relations import Relation, hedged, relation_of
from zoo.graph.triples import Entity, Extracted, Statement, Triple

# From this cosine on, two names of the same words in another order mean the same. Other words are never taken for the same,
# however near: prednisone and prednisolone are.
SAME = 0.9
_Key = tuple[str, str, str, bool]


@dataclass
class Merged:
    """All triples by their ids, in order, and the statements that became none once their names were known."""

    triples: dict[str, Triple]
    rejected: list[Rejected]


@dataclass
class _Spellings:
    """Every name as it is spelled, by the key of what it names."""

    forms: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def usual(self, key: str) -> str:
        """The most usual spelling; a short form only where there is no other."""
        forms = self.forms[key]
        return min(forms, key=lambda f: (names.key(f) != key, -forms[f], len(f), f))


def merge(passages: Iterable[Extracted], embedder: Callable[[], Embed]) -> Merged:
    """The graph of what the passages state. `embedder` is called where names are to be compared by meaning."""
    read = list(passages)
    resolve = _Resolver(read)
    spellings = _Spellings()
    stated: list[tuple[str, Relation, str, Statement]] = []
    for passage in read:
        for s in passage.statements:
            relation = relation_of(s.relation)
            keys = []
            for name in (s.subject, s.object):
                keys.append(resolve.key(name, passage.document))
                spellings.forms[keys[-1]].update((names.expanded(name) or (name,))[:1])
            subject, thing = reversed(keys) if relation.turned else keys
            stated.append((subject, relation, thing, s))
    for short, long in resolve.explained():
        if names.key(long) in spellings.forms:
            spellings.forms[names.key(long)][short] += 0  # another name of it, though nobody used it
    same = _same_meaning(spellings, embedder)
    entities = _entities(spellings, same)
    groups: dict[_Key, list[Statement]] = defaultdict(list)
    wordings: dict[str, Counter[str]] = defaultdict(Counter)
    rejected = []
    for subject, relation, thing, s in stated:
        one, other = same.get(subject, subject), same.get(thing, thing)
        if one == other:
            detail = {"triple": s.model_dump(mode="json", include={"subject", "relation", "object"})}
            rejected.append(Rejected(reason="subject_is_object", id=s.citation.passage, detail=detail))
            continue
        groups[one, relation.key, other, relation.negated].append(s)
        wordings[relation.key][relation.name] += 1
    worded = {key: _usual(said) for key, said in wordings.items()}
    triples = (_triple(key, worded[key[1]], group, entities) for key, group in groups.items())
    return Merged({t.id: t for t in sorted(triples, key=lambda t: t.id)}, rejected)


def _triple(key: _Key, wording: str, stated: list[Statement], entities: dict[str, Entity]) -> Triple:
    subject, relation, thing, negated = key
    sources = sorted(stated, key=lambda s: (s.citation.document, s.citation.passage, s.citation.start))
    return Triple(
        id=digest_text("\n".join((subject, relation, thing, str(negated))))[:16], subject=entities[subject],
        relation=wording, object=entities[thing], negated=negated, hedged=all(hedged(s.relation) for s in sources), sources=sources,
    )  # fmt: skip


def _usual(wordings: Counter[str]) -> str:
    return min(wordings, key=lambda w: (-wordings[w], len(w), w))


class _Resolver:
    """From names to keys: a short form is its long form, as its own document explains it, or all others do alike."""

    def __init__(self, passages: list[Extracted]) -> None:
        self._own: dict[tuple[str, str], str] = {}
        self._pairs: set[tuple[str, str]] = set()
        everywhere: dict[str, dict[str, str]] = defaultdict(dict)
        for passage in passages:
            for short, long in self._in(passage):
                self._pairs.add((short, long))
                self._own.setdefault((passage.document, names.key(short)), long)
                everywhere[names.key(short)].setdefault(names.key(long), long)
        self._everywhere = {short: next(iter(longs.values())) for short, longs in everywhere.items() if len(longs) == 1}

    def explained(self) -> list[tuple[str, str]]:
        """(short form, long form) as any passage explains it."""
        return sorted(self._pairs)

    @staticmethod
    def _in(passage: Extracted) -> Iterator[tuple[str, str]]:
        yield from passage.abbreviations.items()
        for s in passage.statements:
            for pair in filter(None, map(names.expanded, (s.subject, s.object))):
                yield pair[1], pair[0]

    def key(self, name: str, document: str) -> str:
        long = (names.expanded(name) or (name,))[0]
        short = names.key(long)
        return names.key(self._own.get((document, short)) or self._everywhere.get(short) or long)


def _same_meaning(spellings: _Spellings, embedder: Callable[[], Embed]) -> dict[str, str]:
    """Keys that mean another key: names of the same words, in another order, whose vectors are near."""
    groups: dict[frozenset[str], list[str]] = defaultdict(list)
    for key in spellings.forms:
        groups[names.content(spellings.usual(key))].append(key)
    several = [sorted(keys) for content, keys in groups.items() if len(keys) > 1 and len(content) > 1]
    if not several:
        return {}
    texts = [spellings.usual(key) for keys in several for key in keys]
    vectors = iter(embedder()(texts))
    out: dict[str, str] = {}
    for keys in several:
        near = [(key, next(vectors)) for key in keys]
        count = {key: spellings.forms[key].total() for key in keys}
        near.sort(key=lambda kv: (-count[kv[0]], kv[0]))
        first, vector = near[0]
        out |= {key: first for key, other in near[1:] if float(vector @ other) >= SAME}
    return out


def _entities(spellings: _Spellings, same: dict[str, str]) -> dict[str, Entity]:
    together = _Spellings()
    for key, forms in spellings.forms.items():
        together.forms[same.get(key, key)].update(forms)
    return {
        key: Entity(id=digest_text(key)[:16], name=together.usual(key), aliases=sorted(forms))
        for key, forms in together.forms.items()
    }
