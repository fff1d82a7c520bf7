"""What a question along a path, and its solution, must pass, each check decided by code."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from zoo.annotating import Material
from zoo.api import Citation
from zoo.graph import names
from zoo.graph.items import Hop, Path
from zoo.graph.triples import Entity
from zoo.quotes import find_quote

from .checks import Refused, check_reasoning


def named(entity: Entity, text: str) -> bool:
    """Whether a text is one of an entity's names, in whatever spelling."""
    return names.key(text) in {names.key(alias) for alias in (entity.name, *entity.aliases)}


def names_it(entity: Entity, text: str) -> bool:
    """Whether one of an entity's names stands in a text."""
    return any(names.find_name(alias, text) for alias in (entity.name, *entity.aliases))


def check_path_question(question: str, path: Path) -> None:
    """Raises Refused where the question does not name the path's start, or names what it is to be answered over or with."""
    if not names_it(path.start, question):
        raise Refused("start_not_named", start=path.start.name)
    for entity in path.middles:
        if names_it(entity, question):
            raise Refused("middle_named", middle=entity.name)
    if names_it(path.end, question):
        raise Refused("answer_in_question", end=path.end.name)


def check_hops(steps: Sequence[Mapping[str, str]], answer: str, path: Path) -> tuple[str, list[Citation]]:
    """The reasoning, a line each step, and its citations. Raises Refused where a step cites no passage or what that does not
    say, where a hop is cited by no step, or the way over the middle is not told."""
    lines: list[str] = []
    citations: list[Citation] = []
    for step in steps:
        text = " ".join(step["text"].split())
        if not text:
            continue
        citations.append(_cited(step, path).model_copy(update={"step": len(lines)}))
        lines.append(text)
    if len(lines) < len(path.hops):
        raise Refused("too_few_steps", steps=len(lines))
    for hop in path.hops:
        if not any(_proves(c, hop) for c in citations):
            raise Refused("hop_not_cited", hop=hop.triple.id, quote=hop.source.citation.quote)
    standing = [check_reasoning(line, answer) for line in lines]
    reasoning = "\n".join(standing)
    for entity in path.middles:
        if not names_it(entity, reasoning):
            raise Refused("middle_not_reasoned", middle=entity.name)
    return reasoning, citations


def _cited(step: Mapping[str, str], path: Path) -> Citation:
    number = re.search(r"\d+", step["passage"])
    shown: list[Material] = path.shown
    if number is None or not 1 <= int(number.group()) <= len(shown):
        raise Refused("no_such_passage", passage=step["passage"])
    if not step["quote"].strip():
        raise Refused("uncited_step", step=step["text"])
    item = shown[int(number.group()) - 1]
    place = find_quote(step["quote"], item.passage.text)
    if place is None:
        raise Refused("quote_not_in_passage", quote=step["quote"])
    start, end = place
    quote = item.passage.text[start:end]
    return Citation(quote=quote, document=item.document.id, passage=item.passage.id, start=start, end=end)


def _proves(citation: Citation, hop: Hop) -> bool:
    """Whether a citation is of the hop's statement, or of another place there that has both of its things."""
    own = hop.source.citation
    if citation.passage != own.passage:
        return False
    overlap = min(citation.end, own.end) - max(citation.start, own.start)
    both = names_it(hop.begin, citation.quote) and names_it(hop.end, citation.quote)
    return both or overlap >= (own.end - own.start) / 2
