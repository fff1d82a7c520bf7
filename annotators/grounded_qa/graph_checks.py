"""What a question along a path, and its solution, must pass besides what every question must; decided by code."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.api import Citation
from zoo.graph import names
from zoo.graph.items import Hop, Path
from zoo.graph.triples import Entity

from .checks import Refused


def named(entity: Entity, text: str) -> bool:
    """Whether a text is one of an entity's names, in whatever spelling."""
    return names.key(text) in {names.key(alias) for alias in (entity.name, *entity.aliases)}


def names_it(entity: Entity, text: str) -> bool:
    """Whether one of an entity's names stands in a text."""
    return any(names.find_name(alias, text) for alias in (entity.name, *entity.aliases))


def check_path_question(question: str, path: Path) -> None:
    """Raises Refused where the question does not name the path's start, or names what it is to be answered over or with."""
    if not names_it(path.start, question):
        raise Refused("start_not_named", question=question, start=path.start.name)
    for entity in path.middles:
        if names_it(entity, question):
            raise Refused("middle_named", question=question, middle=entity.name)
    if names_it(path.end, question):
        raise Refused("answer_in_question", question=question, answer=path.end.name)


def check_hops(reasoning: str, citations: Sequence[Citation], path: Path) -> None:
    """Raises Refused where no step cites a hop, or where the reasoning does not tell over what it goes."""
    for hop in path.hops:
        if not any(_proves(c, hop) for c in citations):
            raise Refused("hop_not_cited", hop=hop.triple.id, quote=hop.source.citation.quote)
    for entity in path.middles:
        if not names_it(entity, reasoning):
            raise Refused("middle_not_reasoned", middle=entity.name)


def _proves(citation: Citation, hop: Hop) -> bool:
    """Whether a citation is of half of the hop's statement, or of another place of its passage that has both of its things."""
    own = hop.source.citation
    if citation.passage != own.passage:
        return False
    overlap = min(citation.end, own.end) - max(citation.start, own.start)
    both = names_it(hop.begin, citation.quote) and names_it(hop.end, citation.quote)
    return both or overlap >= (own.end - own.start) / 2
