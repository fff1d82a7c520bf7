"""Whether a solution's answer is the known one: the domain's verifier says so, and where it cannot tell, a model is asked.

The judge of SciInstruct (arXiv 2401.07950) is a model alone; here it speaks only where the verifier abstains, and
whatever is not a clear yes is a no.
"""

from __future__ import annotations

from typing import Any

from zoo.api import Example, Question, Verdict
from zoo.ask import BUDGET, REPAIRS, SHARED, Ask, Failed, Prompt, prompted
from zoo.fencing import fence, order_in
from zoo.library import Domain
from zoo.verifiers.reading import answer_of, gold_of

CHECK = "judge"
CALLS = 1 + REPAIRS  # the most that one judgement may ask
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "why": {"type": "string"},
        "verdict": {"type": "string", "enum": ["same", "different", "unclear"]},
    },
    "required": ["why", "verdict"],
    "additionalProperties": False,
}


# An answer of that form such as it usually gets; plans are reckoned from it.
USUAL = '{"why": "Both name the same cause in other words.", "verdict": "same"}'


async def judge(row: Example | Question, response: str, ask: Ask, domain: Domain) -> list[Verdict]:
    """The verifier's verdict, and after an abstention the model's; the last is right or wrong. Raises Failed where the
    budget has no room for asking; an answer that cannot be used is a no."""
    first = domain.verifiers[row.kind](row, response)
    if first.verdict != "abstain":
        return [first]
    # A judge might follow it: nobody who means the known answer says so, and of such a question nothing is known.
    if found := order_in("\n".join([row.question, *row.choices, gold_of(row), answer_of(response)])):
        return [first, Verdict(check=CHECK, verdict="wrong", reason=f"not asked, for it carries an order: {found!r}")]
    return [first, await _ask(row, response, ask, domain)]


def judgement(row: Example | Question, response: str, domain: Domain) -> Prompt:
    """What a model is asked about a response, to be answered in the form of `SCHEMA`."""
    said = answer_of(response)
    return prompted(
        domain, SHARED, "judge", None, question=row.question, choices=row.choices, gold=gold_of(row), said=said,
        fence=fence(said),
    )  # fmt: skip


async def _ask(row: Example | Question, response: str, ask: Ask, domain: Domain) -> Verdict:
    try:
        found = await ask.data(judgement(row, response, domain), SCHEMA)
    except Failed as e:
        if e.reason == BUDGET:
            raise
        return Verdict(check=CHECK, verdict="wrong", reason=f"the judge's answer cannot be used: {e.reason}")
    same = found["verdict"] == "same"
    return Verdict(
        check=CHECK, verdict="right" if same else "wrong", reason=f"{found['verdict']}: {found['why'][:200]}"
    )
