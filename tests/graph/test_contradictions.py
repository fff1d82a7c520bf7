from __future__ import annotations

import pytest

from tests.graph.made import Said, fact, merged
from zoo.graph.contradictions import contradictions


def rules(
    one: Said, other: Said, documents: tuple[str, str] = ("a.md", "b.md"), more: tuple[str, str] = ("", "")
) -> list[str]:
    made = merged(fact(*one, documents[0], 0, more[0]), fact(*other, documents[1], 1, more[1]))
    return [c.rule for c in contradictions(made.triples.values())]


@pytest.mark.parametrize(
    ("one", "other", "rule"),
    [
        (("Aspirin", "causes", "asthma"), ("Aspirin", "does not cause", "asthma"), "negation"),
        (("Coffee", "increases", "heart rate"), ("Coffee", "lowers", "the heart rate"), "opposite"),
        (("Zinc", "prevents", "colds"), ("Colds", "are caused by", "zinc"), "opposite"),
        (("Zalor", "has a half-life of", "6 hours"), ("Zalor", "has a half-life of", "9 hours"), "quantity"),
        (("Zalor", "has a half-life of", "6 hours"), ("Zalor", "has a half-life of", "6 days"), "quantity"),
        (("Chad", "has the capital", "Moundou"), ("N'Djamena", "is the capital of", "Chad"), "functional"),
        (("Flu", "is the most common cause of", "fever"), ("Malaria", "is the most common cause of", "fever"), "superlative"),
    ],
)  # fmt: skip
def test_what_cannot_both_be_so_is_a_contradiction(one: Said, other: Said, rule: str) -> None:
    assert rules(one, other) == [rule] == rules(other, one)
    assert rules(one, other, documents=("a.md", "a.md")) == [], "one document knows of what cases it speaks"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Flu", "has symptom", "fever"), ("Flu", "has symptom", "cough")),
        (("Zalor", "treats", "gout"), ("Zalor", "treats", "asthma")),
        (("Aspirin", "may cause", "asthma"), ("Aspirin", "does not cause", "asthma")),
        (("Zalor", "has a half-life of", "60 minutes"), ("Zalor", "has a half-life of", "1 hour")),
        (("Zalor", "has a half-life of", "about 6 hours"), ("Zalor", "has a half-life of", "9 hours")),
        (("Zalor", "has a half-life of", "6 hours"), ("Zalor", "has a volume of", "9 hours")),
        (("Zalor", "is given at", "5 mg"), ("Zalor", "is given at", "5 ml")),
        (("Gen X", "is encoded by", "a virus"), ("Gen X", "is encoded by", "a cold virus")),
        (("Flu", "is a common cause of", "fever"), ("Malaria", "is a common cause of", "fever")),
        (("Coffee", "increases", "heart rate"), ("Tea", "lowers", "heart rate")),
    ],
)  # fmt: skip
def test_what_a_rule_cannot_tell_is_none(one: Said, other: Said) -> None:
    assert rules(one, other) == []


def test_of_other_cases_other_things_are_so() -> None:
    dose = ("Zalor", "is given at", "5 mg"), ("Zalor", "is given at", "10 mg")
    assert rules(*dose) == ["quantity"]
    assert rules(*dose, more=(" in children", " in adults")) == []
    assert rules(*dose, more=(" in children", " in children")) == ["quantity"]
    assert rules(*dose, more=(" as a rule, and usually less", "")) == []
