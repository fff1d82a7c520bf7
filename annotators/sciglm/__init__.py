"""Reasoning for questions whose answer is known: the teacher solves, and a solution is kept when its answer is the
gold one.

The first stage of SciInstruct (SciGLM, arXiv 2401.07950), with the domain's verifier in the place of a model as the
judge.
"""

from __future__ import annotations

import re

from zoo.annotating import Ask, Failed, Material, Prompt, Usual, prompted
from zoo.api import Example, Question, Rejected
from zoo.config import AnnotateSettings
from zoo.library import Domain
from zoo.prompting import split_response

_ANSWER = re.compile(r"^\W*(?:the\s+)?(?:final\s+)?answer\s*(?:is)?\s*:?\**\s*:?\s*(?P<answer>\S.*)$", re.I | re.M)
FEWEST_STEPS = 6  # words of reasoning


class SciGLM:
    name = "sciglm"
    version = "2"
    stages = ("solve",)

    def calls(self, item: Material | Question, settings: AnnotateSettings) -> int:
        return settings.attempts

    def usual(self, item: Material | Question, domain: Domain, settings: AnnotateSettings) -> list[Usual]:
        """One solution, with a seed's reasoning before the gold answer."""
        assert isinstance(item, Question)
        seeds = [s for s in domain.seeds if s.kind == item.kind and s.reasoning] or [
            s for s in domain.seeds if s.reasoning
        ]
        steps = seeds[len(item.question) % len(seeds)].reasoning if seeds else item.question
        return [Usual(self._prompt(item, domain), f"{steps}\nAnswer: {item.gold}")]

    def _prompt(self, item: Question, domain: Domain) -> Prompt:
        return prompted(
            domain,
            self.name,
            "solve",
            "solve",
            question=item.question,
            context=item.context,
            choices=item.choices,
            kind=item.kind,
        )

    async def annotate(
        self, item: Material | Question, ask: Ask, domain: Domain, settings: AnnotateSettings
    ) -> Example | Rejected:
        """An example whose reasoning ends on the gold answer, from the first of `settings.attempts` samples that
        does. The row keeps the gold's own words as its answer; a rejected one tells how its last sample failed."""
        if not isinstance(item, Question):
            raise TypeError("sciglm solves questions, not passages")
        prompt = self._prompt(item, domain)
        verifier = domain.verifiers[item.kind]
        reason, detail = "", {}
        for sample in range(settings.attempts):
            try:
                text = await ask.text(prompt, sample=sample)
                reasoning, answer = parse(text)
            except Failed as e:
                reason, detail = e.reason, {"text": e.text}
                continue
            verdict = verifier(item, answer)
            ask.judged(verdict)
            if verdict.verdict == "right":
                return Example(
                    id=f"{self.name}-{item.id}", kind=item.kind, question=item.question, context=item.context,
                    choices=item.choices, reasoning=reasoning, answer=item.gold, origin="questions", source=item.source,
                    licence=item.licence, verdicts=[verdict],
                )  # fmt: skip
            reason, detail = "disagrees_with_gold", {"text": text, "gold": item.gold, "verdict": verdict.reason}
        return Rejected(reason=reason, id=item.id, detail=detail)


def parse(text: str) -> tuple[str, str]:
    """(reasoning, answer) of a solution. Raises Failed where it has no answer line, or no steps before it."""
    thought, said = split_response(text)
    lines = list(_ANSWER.finditer(said))
    if not lines:
        raise Failed("no_answer_line", text)
    steps = said[: lines[-1].start()].strip() or thought
    if len(steps.split()) < FEWEST_STEPS:
        raise Failed("no_reasoning", text)
    return steps, lines[-1].group("answer").strip(" *")


ANNOTATOR = SciGLM()
