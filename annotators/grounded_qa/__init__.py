"""Questions written from passages: the teacher asks, then, without its own answer, reasons to one that it must prove
by quotes.

Harvest, then answer again and compare, after NaturalReasoning (arXiv 2502.13124); verbatim quotes are checked without
a model.
"""

from __future__ import annotations

import re
from pathlib import Path

from zoo.annotating import REPAIRS, Ask, Material, read_schema, render
from zoo.api import Citation, Example, Kind, Question, Rejected, Verdict
from zoo.config import AnnotateSettings
from zoo.library import Domain
from zoo.quotes import find_quote
from zoo.verifiers.choice import option_of
from zoo.verifiers.reading import plain

# The kinds of question by passage number, over and over; those that the domain has no verifier for are left out.
KINDS: tuple[Kind, ...] = ("choice", "short", "choice", "number", "choice", "yes_no_maybe")
FEWEST_WORDS = 20  # a passage with fewer bears no question worth asking
FEWEST_STEPS = 6  # words of reasoning
_SCHEMA = read_schema(Path(__file__).with_name("schema.json"))
_LEANS = re.compile(
    r"\b(?:(?:this|the|above|given|following|provided)\s+(?:passage|text|excerpt|paragraph|article|document|section|author|context|report)s?"
    r"|according\s+to\s+(?:the|this)\s+(?:author|guide|text|table|figure|study|source)|the\s+authors?|mentioned\s+above|as\s+described"
    r"|(?:the|this)\s+(?:table|figure|slide|page)|(?:table|figure)\s+(?:above|below|\d+)|(?:this|the\s+present)\s+study)\b",
    re.I,
)


class Refused(Exception):
    """A check that an answer did not pass."""

    def __init__(self, reason: str, **detail: object) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class GroundedQA:
    name = "grounded_qa"
    version = "1"

    def calls(self, item: Material | Question, settings: AnnotateSettings) -> int:
        return 2 * (1 + REPAIRS)

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
        if len(passage.text.split()) < FEWEST_WORDS:
            raise Refused("passage_too_short")
        kind = kind_for(item, domain)
        shown = {"title": passage.title, "text": passage.text, "kind": kind}
        written = await ask.data(render(domain.prompt(self.name, "write"), **shown), _SCHEMA["write"])
        seen["written"] = written
        question, choices = written["question"].strip(), [c.strip() for c in written["choices"]]
        answer = check_form(kind, question, choices, written["answer"].strip())
        cite(written["quotes"], item)
        draft = Example(
            id=f"{self.name}-{passage.id}", kind=kind, question=question, choices=choices if kind == "choice" else [],
            context=passage.text, answer=answer, origin="document", source=document.source, licence=document.licence,
        )  # fmt: skip
        verifier = domain.verifiers[kind]
        if (own := verifier(draft, answer)).verdict != "right":
            raise Refused("answer_unreadable", verdict=own.reason)
        prompt = render(domain.prompt(self.name, "solve"), **shown, question=question, choices=draft.choices)
        solved = await ask.data(prompt, _SCHEMA["solve"])
        seen["solved"] = solved
        citations = cite(solved["quotes"], item)
        reasoning = check_reasoning(solved["reasoning"], solved["answer"])
        verdict = verifier(draft, solved["answer"])
        if verdict.verdict != "right":
            raise Refused("answers_disagree", verdict=verdict.reason)
        return draft.model_copy(update={
            "reasoning": reasoning, "citations": citations, "attempts": 1,
            "verdicts": [Verdict(check="quotes", verdict="right", reason=f"{len(citations)} in the passage"), verdict],
        })  # fmt: skip


def kind_for(item: Material, domain: Domain) -> Kind:
    """The kind of question wanted from a passage; a number only where the passage has one."""
    kinds = [k for k in KINDS if k in domain.verifiers]
    if not kinds:
        raise Refused("domain_has_no_verifier")
    kind = kinds[item.number % len(kinds)]
    return "choice" if kind == "number" and "choice" in kinds and not re.search(r"\d", item.passage.text) else kind


def check_form(kind: Kind, question: str, choices: list[str], answer: str) -> str:
    """The answer in the option's own words. Raises Refused."""
    if len(question.split()) < 4:
        raise Refused("question_too_short")
    if found := _LEANS.search(question):
        raise Refused("not_self_contained", words=found.group())
    if not answer:
        raise Refused("answer_unreadable")
    if kind != "choice":
        return answer
    if (
        not 3 <= len(choices) <= 5
        or len({plain(c) for c in choices}) < len(choices)
        or not all(plain(c) for c in choices)
    ):
        raise Refused("bad_choices")
    at = option_of(answer, choices)
    if at is None:
        raise Refused("answer_not_among_choices")
    return choices[at]


def cite(quotes: list[str], item: Material) -> list[Citation]:
    """The quotes with their places in the passage, in the passage's own characters. Raises Refused where one does not
    stand there."""
    if not quotes:
        raise Refused("no_quote")
    passage, places = item.passage, []
    for quote in quotes:
        place = find_quote(quote, passage.text)
        if place is None:
            raise Refused("quote_not_in_passage", quote=quote)
        places.append(place)
    return [
        Citation(quote=passage.text[start:end], document=item.document.id, passage=passage.id, start=start, end=end)
        for start, end in dict.fromkeys(places)
    ]


def check_reasoning(reasoning: str, answer: str) -> str:
    text = reasoning.strip()
    if len(text.split()) < FEWEST_STEPS or plain(text) == plain(answer):
        raise Refused("no_reasoning")
    return text


ANNOTATOR = GroundedQA()
