from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from zoo.annotators.grounded_qa.checks import Refused, check_question, check_reasoning, check_short

from tests.fakes.teacher import Reply, serving
from tests.steps.annotate_job import annotate, make
from tests.steps.test_annotate import FAST, number, rows, solved, solving, written

STEPS = "Adrenaline is the first drug in anaphylaxis, so it is given before any antihistamine."


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (STEPS, STEPS),
        (f"The passage clearly states that {STEPS[0].lower()}{STEPS[1:]}", STEPS),
        (f"According to the provided text, {STEPS[0].lower()}{STEPS[1:]}", STEPS),
        (f"The passage states: '{STEPS}'", STEPS),
        ("The passage states 'It isn't a drug of the first line.' So the other one is.",
         "It isn't a drug of the first line. So the other one is."),
        (f"{STEPS} The text also mentions that both are drugs.", f"{STEPS} Both are drugs."),
        ("The passage of stool is slow, and in the context of pain that means obstruction.",) * 2,
    ],
)  # fmt: skip
def test_reasoning_is_kept_as_it_stands_without_the_passage(said: str, kept: str) -> None:
    assert check_reasoning(said, "adrenaline") == kept


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("We look at the passage and find that adrenaline comes first.", "reasoning_not_self_contained"),
        (f"{STEPS} This is what the author says.", "reasoning_not_self_contained"),
        ("The passage states that adrenaline.", "no_reasoning"),
    ],
)
def test_reasoning_that_leans_on_a_passage_is_refused(said: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        check_reasoning(said, "adrenaline")


@pytest.mark.parametrize(
    "question", ["What does the passage of time do to a wound?", "Which drug eases the passage of stool?"]
)
def test_a_passage_of_something_is_no_passage(question: str) -> None:
    check_question(question, "it heals")


def test_a_short_answer_says_something_new_in_the_passages_words() -> None:
    text = "Uremia is the build-up of waste products in the blood when the kidneys stop working."
    question = "What is the main cause of uremia in kidney failure?"
    check_short(question, "waste product in the blood", text)
    with pytest.raises(Refused, match="answer_in_question"):
        check_short(question, "Uremia", text)
    with pytest.raises(Refused, match="answer_not_in_passage") as refused:
        check_short(question, "waste and toxins in the blood", text)
    assert refused.value.detail == {"words": ["toxin"]}


def test_options_and_reasoning_come_as_the_checks_leave_them(tmp_path: Path) -> None:
    def answers(body: dict[str, Any], before: int) -> Reply:
        n = number(body)
        if not solving(body):
            return Reply(json.dumps(written(n, distractors=[f"zalor{n}", f"belam{n}", f"Belam{n}", f"corin{n}"])))
        return Reply(
            json.dumps(solved(n, reasoning=f"The passage states that zalor{n} is given first, so it is the answer."))
        )

    with serving(answers) as teacher:
        examples, rejected = rows(annotate(tmp_path, make(tmp_path, 12), teacher.url, FAST))
    examples = [e for e in examples if e.origin == "document"]
    assert len(examples) == 12 and not rejected
    for example in examples:
        n = int(example.answer.removeprefix("zalor"))
        assert sorted(example.choices) == [f"belam{n}", f"corin{n}", f"zalor{n}"]
        assert example.reasoning == f"Zalor{n} is given first, so it is the answer."
    assert len(Counter(e.choices.index(e.answer) for e in examples)) == 3, "the answer has no place of its own"
