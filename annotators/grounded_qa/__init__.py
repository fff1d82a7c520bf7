"""Questions written from passages: the teacher asks, then, without its own answer, reasons to one that it must prove
by quotes.

Harvest, then answer again and compare, after NaturalReasoning (arXiv 2502.13124); verbatim quotes are checked without
a model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from zoo.annotating import REPAIRS, Ask, Material, Usual, prompted, read_schema
from zoo.api import Citation, Example, Kind, Question, Rejected, Verdict
from zoo.config import AnnotateSettings
from zoo.library import Domain

from .checks import Refused, check_question, check_reasoning, check_short, cite, options

# The kinds of question by passage number, over and over; those that the domain has no verifier for are left out.
KINDS: tuple[Kind, ...] = ("choice", "short", "choice", "number", "choice", "yes_no_maybe")
FEWEST_WORDS = 20  # a passage with fewer bears no question worth asking
_SCHEMA = read_schema(Path(__file__).with_name("schema.json"))


class GroundedQA:
    name = "grounded_qa"
    version = "3"
    stages = ("pick", "write", "solve")

    def calls(self, item: Material | Question, settings: AnnotateSettings) -> int:
        return 2 * (1 + REPAIRS)

    def usual(self, item: Material | Question, domain: Domain, settings: AnnotateSettings) -> list[Usual]:
        """Both calls, with a seed's question and answer in the teacher's place; none for a passage that is turned down."""
        assert isinstance(item, Material)
        try:
            kind = kind_for(item, domain)
        except Refused:
            return []
        shown = {"title": item.passage.title, "text": item.passage.text, "kind": kind}
        seed = stand_in(item, kind, domain)
        quotes = [c.quote for c in seed.citations]
        others = [c for c in seed.choices if c != seed.answer] if kind == "choice" else []
        written = {"question": seed.question, "quotes": quotes, "answer": seed.answer, "distractors": others}
        solved = {"reasoning": seed.reasoning, "quotes": quotes, "answer": seed.answer}
        choices = seed.choices if kind == "choice" else []
        return [
            Usual(prompted(domain, self.name, "write", "write", **shown), _json(written), _SCHEMA["write"]),
            Usual(
                prompted(domain, self.name, "solve", "solve", **shown, question=seed.question, choices=choices),
                _json(solved), _SCHEMA["solve"],
            ),
        ]  # fmt: skip

    async def annotate(
        self, item: Material | Question, ask: Ask, domain: Domain, settings: AnnotateSettings
    ) -> Example | Rejected:
        """One example from a passage. Everything it states is checked by code: form, quotes, self-containedness,
        agreement."""
        if not isinstance(item, Material):
            raise TypeError("grounded_qa writes from passages, not from questions")
        seen: dict[str, object] = {}
        try:
            return await self._annotate(item, ask, domain, seen)
        except Refused as e:
            detail = {**seen, **e.detail}
            return Rejected(reason=e.reason, id=item.passage.id, path=item.document.path, detail=detail)

    async def _annotate(self, item: Material, ask: Ask, domain: Domain, seen: dict[str, object]) -> Example:
        passage, document = item.passage, item.document
        kind = kind_for(item, domain)
        shown = {"title": passage.title, "text": passage.text, "kind": kind}
        written = await ask.data(prompted(domain, self.name, "write", "write", **shown), _SCHEMA["write"])
        seen["written"] = written
        question, answer = written["question"].strip(), written["answer"].strip()
        check_question(kind, question, answer)
        choices = options(answer, written["distractors"], passage.id) if kind == "choice" else []
        evidence = cite(written["quotes"], item)
        draft = Example(
            id=f"{self.name}-{passage.id}", kind=kind, question=question, choices=choices, context=passage.text,
            answer=answer, origin="document", source=document.source, licence=document.licence,
        )  # fmt: skip
        verifier = domain.verifiers[kind]
        if (own := verifier(draft, answer)).verdict != "right":
            raise Refused("answer_unreadable", verdict=own.reason)
        ask.judged(own)
        prompt = prompted(domain, self.name, "solve", "solve", **shown, question=question, choices=draft.choices)
        solved = await ask.data(prompt, _SCHEMA["solve"])
        seen["solved"] = solved
        citations = cite(solved["quotes"], item)
        citations += [c for c in evidence if c not in citations]
        if kind == "short":
            check_short(answer, citations)
        reasoning = check_reasoning(solved["reasoning"], solved["answer"])
        verdict = verifier(draft, solved["answer"])
        ask.judged(verdict)
        if verdict.verdict != "right":
            raise Refused("answers_disagree", verdict=verdict.reason)
        return draft.model_copy(update={
            "reasoning": reasoning, "citations": citations,
            "verdicts": [Verdict(check="quotes", verdict="right", reason=f"{len(citations)} in the passage"), verdict],
        })  # fmt: skip


def kind_for(item: Material, domain: Domain) -> Kind:
    """The kind of question wanted from a passage; a number only where the passage has one. Raises Refused for a passage
    that bears no question, and where the domain could check none."""
    if len(item.passage.text.split()) < FEWEST_WORDS:
        raise Refused("passage_too_short")
    kinds = [k for k in KINDS if k in domain.verifiers]
    if not kinds:
        raise Refused("domain_has_no_verifier")
    kind = kinds[item.number % len(kinds)]
    return "choice" if kind == "number" and "choice" in kinds and not re.search(r"\d", item.passage.text) else kind


def stand_in(item: Material, kind: Kind, domain: Domain) -> Example:
    """What might be asked about a passage: a seed of that kind, or of any; without seeds a row out of its own words."""
    seeds = [s for s in domain.seeds if s.kind == kind and s.citations] or [s for s in domain.seeds if s.citations]
    if seeds:
        return seeds[item.number % len(seeds)]
    words = item.passage.text.split()
    return Example(
        id="", kind=kind, question=" ".join(words[:16]), choices=[" ".join(words[n : n + 3]) for n in range(4)],
        reasoning=" ".join(words[:48]), answer=" ".join(words[:3]), citations=[Citation(quote=" ".join(words[:20]))],
        origin="document", source="", licence="",
    )  # fmt: skip


def _json(data: Mapping[str, object]) -> str:
    return json.dumps(data, ensure_ascii=False)


ANNOTATOR = GroundedQA()
