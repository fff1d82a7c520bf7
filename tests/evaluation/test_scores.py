from __future__ import annotations

from typing import Any

import pytest

from zoo.api import Kind, Question
from zoo.evaluation.baselines import last_question, majority, trivial
from zoo.evaluation.contestants import FEW_SHOT, MODEL, TRIVIAL, ZERO_SHOT, Item
from zoo.evaluation.metrics import prediction_of, rouge_l, score
from zoo.evaluation.report import summarise, table
from zoo.evaluation.suites import load_suite
from zoo.library import load_domain
from zoo.settings import EvaluateSettings

DOMAIN = load_domain("medical")


def question(n: int, gold: str, kind: Kind = "yes_no_maybe", **more: Any) -> Question:
    return Question(id=str(n), kind=kind, question=f"Is it {n}?", gold=gold, source="s", licence="MIT", **more)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My arm itches. What can I do? Thank you.", "What can I do?"),
        ("First? Then this: is 2.5 mg too much? Bye!", "Then this: is 2.5 mg too much?"),
        ("SUBJECT: arm\nMESSAGE: it itches. Please help me", "Please help me"),
        ("itch", "itch"),
    ],
)
def test_the_last_question(text: str, expected: str) -> None:
    assert last_question(text) == expected


def test_the_majority_and_its_ties() -> None:
    assert majority([question(n, g) for n, g in enumerate(["no", "yes", "yes"])]) == "yes"
    assert majority([question(n, g) for n, g in enumerate(["yes", "no"])]) == "no"


def test_trivial_answers_of_each_kind() -> None:
    items = [question(n, g) for n, g in enumerate(["yes", "yes", "no"])]
    assert [s for _, s in trivial(load_suite(DOMAIN, "pubmedqa"), items)] == [1, 1, 0]
    exam = [question(0, "a", "choice", choices=["a", "b", "c", "d"]), question(1, "a", "choice", choices=["a", "b"])]
    assert trivial(load_suite(DOMAIN, "healthcare_exam"), exam) == [("", 0.25), ("", 0.5)]
    asked = question(0, "How is an itch treated?", "summary", context="It itches. How is an itch treated? Thanks.")
    assert trivial(load_suite(DOMAIN, "meqsum"), [asked]) == [("How is an itch treated?", 1.0)]


def test_our_metrics() -> None:
    assert rouge_l("How is an itch treated?", "<think>\nAn itch.\n</think>\n\nHow are itches treated?") > 0.5
    assert rouge_l("How is an itch treated?", "<think>How is an itch treated?") == 0
    label = question(0, "ROS", "label")
    assert score("verified", DOMAIN, label, "ROS") == 1
    assert score("verified", DOMAIN, label, "GENHX") == 0
    assert prediction_of(DOMAIN, label, "ros.\nBecause") == "ROS"
    assert prediction_of(DOMAIN, question(0, "yes"), "<think>\nHm.\n</think>\n\nYes.") == "yes"


def outcomes(scores: dict[str, list[float]], said: dict[str, list[str]], gold: list[str]) -> dict[str, list[Item]]:
    return {
        who: [
            Item("pubmedqa", str(n), who, s, p, p, g)
            for n, (s, p, g) in enumerate(zip(points, said[who], gold, strict=True))
        ]
        for who, points in scores.items()
    }


def test_a_class_prior_does_not_pass_for_learning() -> None:
    """The model gained 20 points on its base by saying yes more often; always saying yes is better still."""
    gold = ["yes"] * 55 + ["no"] * 45
    said = {
        ZERO_SHOT: ["no"] * 40 + ["yes"] * 60,
        FEW_SHOT: ["no"] * 50 + ["yes"] * 50,
        TRIVIAL: ["yes"] * 100,
        MODEL: ["yes"] * 49 + ["no"] * 6 + ["yes"] * 43 + ["no"] * 2,
    }
    scores = {who: [float(p == g) for p, g in zip(ps, gold, strict=True)] for who, ps in said.items()}
    found = summarise(
        load_suite(DOMAIN, "pubmedqa"), [question(n, g) for n, g in enumerate(gold)], 500,
        outcomes(scores, said, gold), EvaluateSettings(), 0,
    )  # fmt: skip
    assert found["baselines"]["trivial"] == 0.55 and found["model"] == 0.51
    assert found["versus_zero_shot"]["low"] > 0 and found["baseline"] == "trivial"
    assert found["difference"]["value"] == pytest.approx(-0.04) and found["difference"]["low"] < 0
    assert found["predicted"]["model"] == {"yes": 0.92, "no": 0.08} and found["gold"] == {"yes": 0.55, "no": 0.45}
    lines = table([found])
    assert any("the model says 'yes' on 92.0%" in line and "that is right on 55.0%" in line for line in lines)


def test_no_few_shot_is_said_as_none() -> None:
    gold = ["yes", "no"]
    said = {w: ["yes", "yes"] for w in (ZERO_SHOT, TRIVIAL, MODEL)}
    scores = {w: [1.0, 0.0] for w in said}
    found = summarise(
        load_suite(DOMAIN, "pubmedqa"), [question(n, g) for n, g in enumerate(gold)], 2, outcomes(scores, said, gold),
        EvaluateSettings(), 0,
    )  # fmt: skip
    assert found["baselines"]["few_shot"] is None and found["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert "  -  " in table([found])[1]


def test_free_answers_to_choices_are_counted_by_the_option_they_state() -> None:
    """The verifier reads them as it scores them: by letter, by text, and a double answer as none."""
    drug = question(0, "Metformin", "choice", choices=["Insulin", "Metformin"])
    responses = ["B", "<think>\nHm.\n</think>\n\nThe answer is metformin.", "I do not know", "A or B", "(a)"]
    said = [prediction_of(DOMAIN, drug, r) for r in responses]
    assert said == ["Metformin", "Metformin", "", "", "Insulin"]
    assert prediction_of(DOMAIN, question(0, "yes"), "The answer is no, since there is no evidence.") == "no"


def leaning_lines(said: list[str]) -> list[str]:
    items = [question(n, "a" if n % 2 else "b", "choice", choices=["b", "a"]) for n in range(4)]
    predicted = {ZERO_SHOT: ["b"] * 4, TRIVIAL: [""] * 4, MODEL: said}
    scores = {who: [float(p == q.gold) for p, q in zip(ps, items, strict=True)] for who, ps in predicted.items()}
    scores[TRIVIAL] = [0.5] * 4
    suite = load_suite(DOMAIN, "healthcare_exam_cot")
    found = summarise(suite, items, 4, outcomes(scores, predicted, [q.gold for q in items]), EvaluateSettings(), 0)
    return table([found])[2:]


def test_a_leaning_on_one_option_is_told_in_words() -> None:
    assert leaning_lines(["a", "a", "a", "b"]) == [
        "  healthcare_exam_cot: the model says option 2 on 75.0% of the items, and that is right on 50.0%; guessing scores 0.500"
    ]
    assert leaning_lines(["a", "b", "a", "b"]) == []
    assert leaning_lines(["", "", "", "b"]) == [
        "  healthcare_exam_cot: on 75.0% of the items the model's answer is no option, or more than one, and counts as wrong; "
        "guessing scores 0.500"
    ]


def test_choices_are_counted_by_position() -> None:
    items = [question(n, "a", "choice", choices=["b", "a"]) for n in range(4)]
    said = {ZERO_SHOT: ["b"] * 4, TRIVIAL: [""] * 4, MODEL: ["a"] * 3 + ["b"]}
    scores = {ZERO_SHOT: [0.0] * 4, TRIVIAL: [0.5] * 4, MODEL: [1.0] * 3 + [0.0]}
    found = summarise(
        load_suite(DOMAIN, "healthcare_exam"), items, 4, outcomes(scores, said, ["a"] * 4), EvaluateSettings(), 0
    )
    assert found["predicted"] == {ZERO_SHOT: {"1": 1.0}, MODEL: {"2": 0.75, "1": 0.25}} and found["gold"] == {"2": 1.0}
