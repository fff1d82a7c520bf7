from __future__ import annotations

import pytest

from zoo.graph.relations import known, opposites, relation_of, superlative


@pytest.mark.parametrize(
    ("said", "name", "turned", "negated", "hedged"),
    [
        ("causes", "causes", False, False, False), ("Leads to", "causes", False, False, False),
        ("is caused by", "causes", True, False, False),
        ("does not cause", "causes", False, True, False), ("doesn't cause", "causes", False, True, False),
        ("may cause", "causes", False, False, True), ("rarely results from", "causes", True, False, True),
        ("is used to treat", "treats", False, False, False), ("was treated with", "treats", True, False, False),
        ("is a type of", "is a", False, False, False), ("is a", "is a", False, False, False),
        ("is not recommended for", "is contraindicated in", False, False, False),
        ("reduces the risk of", "decreases the risk of", False, False, False), ("reduced", "decreases", False, False, False),
        ("is found in", "is found in", False, False, False), ("was founded in", "was founded in", False, False, False),
        ("is part of", "contains", True, False, False), ("has a half-life of", "has a half life of", False, False, False),
    ],
)  # fmt: skip
def test_what_says_the_same_is_one_relation(said: str, name: str, turned: bool, negated: bool, hedged: bool) -> None:
    found = relation_of(said)
    assert (found.name, found.turned, found.negated, found.hedged) == (name, turned, negated, hedged)


def test_a_relation_that_is_not_listed_goes_by_the_stems_of_its_words() -> None:
    assert relation_of("metabolises").key == relation_of("is metabolising").key == relation_of("metabolised").key
    assert relation_of("metabolised by").key != relation_of("metabolises").key
    assert superlative("is the most common cause of") and not superlative("is first-line treatment for")


def test_opposites_are_listed_relations_and_no_form_says_two_of_them() -> None:
    listed = {k.name for k in known()}
    assert set(opposites()) <= listed and len(listed) == len(known())
    for entry in known():
        for turned, forms in ((False, entry.forms), (True, entry.inverse)):
            for form in forms:
                assert (relation_of(form).name, relation_of(form).turned) == (entry.name, turned), form
