"""Paths of several triples, along which questions are written: each leads to one thing alone, over things that a question
need not name, through as many passages as it has hops where there are such."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise, product

from zoo.graph import names
from zoo.graph.items import Hop, Passages, Path
from zoo.graph.relations import hedged
from zoo.graph.triples import Entity, Statement, Triple

HUB = 30  # triples of one thing, from which on it is no way from one to another
EACH = 2  # paths that share a triple, a thing on the way, or an end
OTHERS = 3
_OTHERS_SEEN = 200
_SOURCES = 6  # of one triple that are tried
_MOST_WORDS = 6  # of a name that is an answer

_Step = tuple[Triple, bool]


class Walks:
    """Where one comes from each thing. `barred` are triples that no path goes along, which still tell what is connected."""

    def __init__(self, triples: Iterable[Triple], barred: Iterable[Triple]) -> None:
        self.onward: dict[str, list[_Step]] = defaultdict(list)
        self._reached: dict[tuple[str, str, bool], set[str]] = defaultdict(set)
        self._slots: dict[tuple[str, bool], dict[str, Entity]] = defaultdict(dict)
        self._joined: set[frozenset[str]] = set()
        for barrier, group in ((False, triples), (True, barred)):
            for t in sorted(group, key=lambda t: t.id):
                self._joined.add(frozenset((t.subject.id, t.object.id)))
                if t.negated:
                    continue
                for step in ((t, True), (t, False)):
                    begin, end = _ends(step)
                    self._reached[begin.id, t.relation, step[1]].add(end.id)
                    self._slots[t.relation, step[1]][end.id] = end
                    if not barrier and not names.generic(begin.name) and not names.generic(end.name):
                        self.onward[begin.id].append(step)

    def joined(self, one: Entity, other: Entity) -> bool:
        """Whether any triple has both."""
        return frozenset((one.id, other.id)) in self._joined

    def only(self, steps: list[_Step]) -> bool:
        """Whether the relations of these steps lead from where they begin to their end and nothing else."""
        at = {_ends(steps[0])[0].id}
        for triple, forward in steps:
            at = {end for thing in at for end in self._reached[thing, triple.relation, forward]}
        return at == {_ends(steps[-1])[1].id}

    def alike(self, steps: list[_Step], chance: random.Random) -> Iterator[Entity]:
        """Other things that the last step's relation leads to from somewhere, none of which is on the way or is named alike,
        in an order by chance."""
        triple, forward = steps[-1]
        own = [_ends(steps[0])[0], *(_ends(s)[1] for s in steps)]
        taken = [names.content(alias) for e in own for alias in (e.name, *e.aliases)]
        found = sorted(self._slots[triple.relation, forward])
        for id_ in chance.sample(found, min(_OTHERS_SEEN, len(found))):
            entity = self._slots[triple.relation, forward][id_]
            if _answers(entity) and not any(names.content(entity.name) & t for t in taken):
                yield entity


def draw(walks: Walks, triples: Iterable[Triple], passages: Passages, hops: int, most: int, seed: int) -> list[Path]:
    """At most `most` paths of `hops` triples, the same ones for the same seed: those whose hops all come from passages of
    their own first, one of each document's triples in turn."""
    starts = list(_in_turn(list(triples), seed))
    used: Counter[str] = Counter()
    pairs: set[frozenset[str]] = set()
    out: list[Path] = []
    for apart in (True, False):
        for triple in starts:
            if len(out) == most:
                return out
            found = next(_from(triple, walks, hops, seed, apart, used, pairs), None)
            if found is not None:
                steps, cited = found
                out.append(_path(steps, cited, walks, passages, len(out), seed))
                pairs.add(frozenset((out[-1].start.id, out[-1].end.id)))
                used.update(_shared(steps))
    return out


def _in_turn(triples: list[Triple], seed: int) -> Iterator[Triple]:
    chance = random.Random(seed)
    queues: dict[str, list[Triple]] = defaultdict(list)
    for triple in sorted(triples, key=lambda t: t.id):
        queues[triple.sources[0].citation.document].append(triple)
    order = sorted(queues)
    chance.shuffle(order)
    for document in order:
        chance.shuffle(queues[document])
    for turn in range(max(map(len, queues.values()), default=0)):
        yield from (queues[d][turn] for d in order if turn < len(queues[d]))


def _from(
    triple: Triple, walks: Walks, hops: int, seed: int, apart: bool, used: Counter[str],
    pairs: set[frozenset[str]],
) -> Iterator[tuple[list[_Step], list[Statement]]]:  # fmt: skip
    """The paths that begin with a triple and may be asked about, each with the statements to cite."""
    chance = random.Random(f"{seed} {triple.id}")
    firsts = [s for s in ((triple, True), (triple, False)) if s in walks.onward[_ends(s)[0].id]]
    chance.shuffle(firsts)
    ways: list[list[_Step]] = [[first] for first in firsts]
    while ways:
        steps = ways.pop(0)
        start, end = _ends(steps[0])[0], _ends(steps[-1])[1]
        if any(used[key] >= EACH for key in _shared(steps)):
            continue
        if len(steps) == hops:
            new = frozenset((start.id, end.id)) not in pairs
            if new and _answers(end) and not walks.joined(start, end) and walks.only(steps):
                if cited := _cited(steps, apart):
                    yield steps, cited
            continue
        onward = walks.onward[end.id]
        if len(onward) > HUB:
            continue
        seen = {start.id, *(_ends(s)[1].id for s in steps)}
        back = steps[-1][0].relation, not steps[-1][1]
        # The same relation back again leads to another of the same sort, not to an answer.
        more = [s for s in onward if _ends(s)[1].id not in seen and (s[0].relation, s[1]) != back]
        chance.shuffle(more)
        ways += [[*steps, step] for step in more]


def _cited(steps: list[_Step], apart: bool) -> list[Statement] | None:
    """A statement for each step: of passages of their own where `apart`, of as many documents as there are; no quote is
    another's, or tells start and end at once."""
    start, end = _ends(steps[0])[0], _ends(steps[-1])[1]
    choices = [[s for s in t.sources if not hedged(s.relation)][:_SOURCES] for t, _ in steps]
    best: tuple[int, list[Statement]] | None = None
    for chosen in map(list, product(*choices)):
        places = [s.citation.passage for s in chosen]
        if apart and len(set(places)) < len(places):
            continue
        if _overlap(chosen) or any(_has(s, start) and _has(s, end) for s in chosen):
            continue
        many = len({s.citation.document for s in chosen})
        if best is None or many > best[0]:
            best = many, chosen
    return best[1] if best else None


def _overlap(chosen: list[Statement]) -> bool:
    places = sorted((s.citation.passage, s.citation.start, s.citation.end) for s in chosen)
    return any(a[0] == b[0] and b[1] < a[2] for a, b in pairwise(places))


def _has(statement: Statement, entity: Entity) -> bool:
    return any(names.find_name(name, statement.citation.quote) for name in (entity.name, *entity.aliases))


def _shared(steps: list[_Step]) -> list[str]:
    """What only a few paths may have in common."""
    return [*(t.id for t, _ in steps), *(_ends(s)[1].id for s in steps)]


def _answers(entity: Entity) -> bool:
    return len(names.words(entity.name)) <= _MOST_WORDS and not names.generic(entity.name)


def _path(steps: list[_Step], cited: list[Statement], walks: Walks, passages: Passages, number: int, seed: int) -> Path:
    walked = tuple(
        Hop(t, forward, s, passages[s.citation.passage]) for (t, forward), s in zip(steps, cited, strict=True)
    )
    texts = [h.material.passage.text for h in walked]
    # One that the passages speak of may be as right as the end.
    alike = walks.alike(steps, random.Random(f"{seed} {number}"))
    untold = (e.name for e in alike if not any(names.find_name(e.name, text) for text in texts))
    others = tuple(islice(untold, OTHERS))
    first = walked[0].material
    return Path(first.passage, first.document, number, hops=walked, distractors=others)


def _ends(step: _Step) -> tuple[Entity, Entity]:
    triple, forward = step
    return (triple.subject, triple.object) if forward else (triple.object, triple.subject)
