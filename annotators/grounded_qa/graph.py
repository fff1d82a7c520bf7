"""The knowledge graph, an optional stage: triples that a teacher reads from passages, and questions along paths of several of
them, each hop of which the answer's steps must cite.

Questions that need more than one passage are composed from a graph as in 2WikiMultihopQA (Ho et al., arXiv 2011.01060),
whose reasons for an answer are triples too; here both the triples and the steps are proved by verbatim quotes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

from zoo import judging
from zoo.annotating import REPAIRS, Annotator, Ask, Material, Usual, prompted, read_schema
from zoo.api import Example, Kind, Question, Rejected, Verdict
from zoo.config import AnnotateSettings
from zoo.graph import names
from zoo.graph.items import Path, ToRead
from zoo.graph.statements import extracted
from zoo.graph.triples import Entity, Extracted
from zoo.library import Domain

from .checks import Refused, check_question, options
from .graph_checks import check_hops, check_path_question, named

HOME = "grounded_qa"  # whose folder the prompts are in
FEWEST_WORDS = 12  # a passage with fewer states nothing worth reading
MOST_TRIPLES = 8
_SCHEMA = read_schema(File(__file__).with_name("graph_schema.json"))


class Triples:
    """Reads triples from a passage."""

    name = "graph"
    version = "1"
    stages: tuple[str, ...] = ("extract",)

    def calls(self, item: Material | Question, settings: AnnotateSettings) -> int:
        return 1 + REPAIRS

    def usual(self, item: Material | Question, domain: Domain, settings: AnnotateSettings) -> list[Usual]:
        """One call, and in its answer half of the triples that may be named, in the passage's own words."""
        assert isinstance(item, ToRead)
        if _bare(item):
            return []
        words = item.passage.text.split()
        usual = {
            "subject": " ".join(words[:2]),
            "relation": "leads to",
            "object": " ".join(words[2:5]),
            "quote": " ".join(words[:20]),
        }
        answer = json.dumps({"triples": [usual] * (MOST_TRIPLES // 2)}, ensure_ascii=False)
        return [Usual(_extract(item, domain), answer, _SCHEMA["extract"])]

    async def annotate(
        self, item: Material | Question, ask: Ask, domain: Domain, settings: AnnotateSettings
    ) -> Extracted | Rejected:
        assert isinstance(item, ToRead)
        if _bare(item):
            return Rejected(reason="passage_too_short", id=item.passage.id, path=item.document.path)
        said = await ask.data(_extract(item, domain), _SCHEMA["extract"])
        found = extracted(item, said["triples"][:MOST_TRIPLES])
        count = f"{len(found.statements)} of {len(said['triples'])} triples stand in the passage"
        ask.judged(Verdict(check="triples", verdict="right" if found.statements else "wrong", reason=count))
        return found


def _bare(item: Material) -> bool:
    return len(item.passage.text.split()) < FEWEST_WORDS


def _extract(item: Material, domain: Domain) -> Any:
    shown = {"title": item.passage.title, "text": item.passage.text, "most": MOST_TRIPLES}
    return prompted(domain, HOME, "extract", "extract", **shown)


class Paths:
    """Writes a question along a path, and solves it from the passages alone."""

    name = "paths"
    version = "1"
    stages: tuple[str, ...] = ("write", "solve")

    def calls(self, item: Material | Question, settings: AnnotateSettings) -> int:
        return 2 * (1 + REPAIRS) + judging.CALLS

    def usual(self, item: Material | Question, domain: Domain, settings: AnnotateSettings) -> list[Usual]:
        """Both calls, with the hops' own words in the teacher's place."""
        assert isinstance(item, Path)
        try:
            kind = kind_for(item, domain)
        except Refused:
            return []
        question = f"Which of these follows from {item.start.name}, and by which way does it do so?"
        choices = [item.end.name, *item.distractors] if kind == "choice" else []
        steps = [{"text": h.source.citation.quote, "passage": "1", "quote": h.source.citation.quote} for h in item.hops]
        return [
            Usual(_write(item, domain), _json({"question": question}), _SCHEMA["write"]),
            Usual(
                _solve(item, domain, kind, question, choices), _json({"steps": steps, "answer": item.end.name}),
                _SCHEMA["solve"],
            ),
        ]  # fmt: skip

    async def annotate(
        self, item: Material | Question, ask: Ask, domain: Domain, settings: AnnotateSettings
    ) -> Example | Rejected:
        """One example from a path. The question must name its start and neither the way nor the end; the solution must prove
        every hop by a quote and come to the end."""
        assert isinstance(item, Path)
        seen: dict[str, Any] = {"path": [h.triple.id for h in item.hops]}
        try:
            return await self._annotate(item, ask, domain, seen)
        except Refused as e:
            return Rejected(
                reason=e.reason, id=f"{self.name}-{item.id}", path=item.document.path, detail={**seen, **e.detail}
            )

    async def _annotate(self, item: Path, ask: Ask, domain: Domain, seen: dict[str, Any]) -> Example:
        kind, answer = kind_for(item, domain), item.end.name
        written = await ask.data(_write(item, domain), _SCHEMA["write"])
        seen["written"] = written
        question = written["question"].strip()
        check_question(kind, question, answer)
        check_path_question(question, item)
        draft = Example(
            id=f"{self.name}-{item.id}", kind=kind, question=question, answer=answer, level="complex", origin="document",
            choices=options(answer, list(item.distractors), item.id) if kind == "choice" else [],
            context="\n\n".join(m.passage.text for m in item.shown), source=item.document.source,
            licence=item.document.licence,
        )  # fmt: skip
        if (own := domain.verifiers[kind](draft, answer)).verdict != "right":
            raise Refused("answer_unreadable", verdict=own.reason)
        ask.judged(own)
        solved = await ask.data(_solve(item, domain, kind, question, draft.choices), _SCHEMA["solve"])
        seen["solved"] = solved
        reasoning, citations = check_hops(solved["steps"], solved["answer"], item)
        # What goes by several names is right by any of them.
        said = answer if kind == "short" and named(item.end, solved["answer"]) else solved["answer"]
        verdicts = await judging.judge(draft, said, ask, domain)
        ask.judged(*verdicts)
        if verdicts[-1].verdict != "right":
            raise Refused("answers_disagree", verdict=verdicts[-1].reason)
        cited = Verdict(check="hops", verdict="right", reason=f"all {len(item.hops)} are cited")
        return draft.model_copy(update={"reasoning": reasoning, "citations": citations, "verdicts": [cited, *verdicts]})


def kind_for(item: Path, domain: Domain) -> Kind:
    """A choice where there are things to choose from, every other time; else a short answer. Raises Refused where the domain
    could check neither."""
    able: list[Kind] = [
        k for k in ("short", "choice") if k in domain.verifiers and (k == "short" or len(item.distractors) > 1)
    ]
    if not able:
        raise Refused("domain_has_no_verifier" if "choice" not in domain.verifiers else "bad_choices")
    return able[item.number % len(able)]


def _write(item: Path, domain: Domain) -> Any:
    hops = [
        {"subject": h.triple.subject.name, "relation": h.triple.relation, "object": h.triple.object.name,
         "quote": " ".join(h.source.citation.quote.split())}
        for h in item.hops
    ]  # fmt: skip
    ways = [_known_as(e) for e in item.middles]
    shown = {"hops": hops, "passages": _shown(item), "start": item.start.name, "middles": ways, "end": item.end.name}
    return prompted(domain, HOME, "path_write", "write", **shown)


def _solve(item: Path, domain: Domain, kind: Kind, question: str, choices: list[str]) -> Any:
    shown = {"passages": _shown(item), "question": question, "choices": choices, "kind": kind, "hops": len(item.hops)}
    return prompted(domain, HOME, "path_solve", "solve", **shown)


def _shown(item: Path) -> list[dict[str, str]]:
    return [{"title": m.passage.title, "text": m.passage.text} for m in item.shown]


def _known_as(entity: Entity) -> str:
    others = [a for a in entity.aliases if names.key(a) != names.key(entity.name)]
    return f"{entity.name} ({', '.join(others)})" if others else entity.name


def _json(data: Mapping[str, object]) -> str:
    return json.dumps(data, ensure_ascii=False)


ANNOTATORS: dict[str, Annotator] = {"graph": Triples(), "paths": Paths()}
