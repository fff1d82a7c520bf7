from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from zoo.annotators.grounded_qa.checks import Refused, check_question, check_reasoning, check_short

from tests.fakes.teacher import Reply, serving
from tests.steps.annotate_job import annotate, make
from tests.steps.test_annotate import number, rows, solved, solving, written
from zoo.api import Citation
from zoo.config import AnnotateSettings

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
        (f"{STEPS} It also states that both are drugs.", f"{STEPS} Both are drugs."),
        (f"{STEPS} This directly answers the question. The passage provides details on both.", STEPS),
        (f"This passage is about shock. {STEPS}", STEPS),
        ("The passage of stool is slow, and in the context of pain that means obstruction.",) * 2,
    ],
)  # fmt: skip
def test_reasoning_is_kept_as_it_stands_without_the_passage(said: str, kept: str) -> None:
    assert check_reasoning(said, "adrenaline") == kept


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("We look at the passage and find that adrenaline comes first.", "reasoning_not_self_contained"),
        ("It is clear. This is what the author says of it at length.", "reasoning_not_self_contained"),
        ("The passage states that adrenaline.", "no_reasoning"),
    ],
)
def test_reasoning_that_leans_on_a_passage_is_refused(said: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        check_reasoning(said, "adrenaline")


@pytest.mark.parametrize(
    ("kind", "question", "answer"),
    [
        ("short", "What does the passage of time do to a wound?", "it heals"),
        ("short", "What is hydrocephalus?", "too much fluid in the brain"),
        ("choice", "Which drug eases the passage of stool?", "lactulose"),
        ("yes_no_maybe", "Is adrenaline given when the pulse is weak?", "yes"),
        ("yes_no_maybe", "In a child who does not know how to use an inhaler, is a spacer advised?", "yes"),
        ("number", "How many milligrams of adrenaline are given?", "0.5 mg"),
        ("number", "What percentage of people have fever?", "90%"),
    ],
)
def test_a_question_that_stands_by_itself_is_kept(kind: Any, question: str, answer: str) -> None:
    check_question(kind, question, answer)


@pytest.mark.parametrize(
    ("kind", "question", "answer", "reason"),
    [
        ("short", "What is the main cause of uremia in kidney failure?", "Uremia", "answer_in_question"),
        ("choice", "What is (are) Ataxia?", "Ataxia", "answer_in_question"),
        ("yes_no_maybe", "What research is being done on this syndrome?", "yes", "not_a_yes_no_question"),
        ("yes_no_maybe", "After a stroke, how is clopidogrel given?", "yes", "not_a_yes_no_question"),
        ("number", "How many patients have been reported to have it?", "90%", "another_unit_than_asked"),
        ("number", "What is the pressure in the arterial blood pressure graph?", "80 mmHg", "not_self_contained"),
        ("short", "Which drug?", "adrenaline", "question_too_short"),
        ("short", "Which drug is given first in shock?", "", "answer_unreadable"),
    ],
)
def test_a_question_that_does_not_is_refused(kind: Any, question: str, answer: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        check_question(kind, question, answer)


def test_a_short_answer_is_in_the_quotes_words() -> None:
    quotes = [Citation(quote="Waste products build up in the blood."), Citation(quote="The kidneys stop working.")]
    check_short("waste product in the blood", quotes)
    with pytest.raises(Refused, match="answer_not_in_quotes") as refused:
        check_short("waste and toxins in the blood", quotes)
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
        examples, rejected = rows(annotate(tmp_path, make(tmp_path, 12), teacher.url, AnnotateSettings()))
    examples = [e for e in examples if e.origin == "document"]
    assert len(examples) == 12 and not rejected
    for example in examples:
        n = int(example.answer.removeprefix("zalor"))
        assert sorted(example.choices) == [f"belam{n}", f"corin{n}", f"zalor{n}"]
        assert example.reasoning == f"Zalor{n} is given first, so it is the answer."
    assert len(Counter(e.choices.index(e.answer) for e in examples)) == 3, "the answer has no place of its own"
