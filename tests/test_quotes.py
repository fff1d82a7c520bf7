from __future__ import annotations

import pytest

from zoo.quotes import find_quote

TEXT = (
    "The first-line drug is “met\u00adformin” — 500 mg twice a day.\nIn chronic kidney di-\nsease the e\ufb03cacy of "
    "long-\nterm treatment   falls; give 2.5 mg, not 25 mg daily, at pH 7.4."
)


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("The first-line drug is", "The first-line drug is"),
        ("first‑line drug is \"metformin\" - 500 mg", "first-line drug is “met\u00adformin” — 500 mg"),
        ("In chronic kidney disease the efficacy", "In chronic kidney di-\nsease the e\ufb03cacy"),
        ("of long-term treatment falls", "of long-\nterm treatment   falls"),
        ("twice a day. In chronic", "twice a day.\nIn chronic"),
        ("“treatment falls; give 2.5 mg”", "treatment   falls; give 2.5 mg"),
        ("not 25 mg daily, at pH 7.4.", "not 25 mg daily, at pH 7.4"),
        ("not 25 mg daily.", "not 25 mg daily"),
        ("the first-line drug is", "The first-line drug is"),
        ("first-line drug is 'metformin' -", "first-line drug is “met\u00adformin” —"),
        ("give 2.5mg, not25 mg daily", "give 2.5 mg, not 25 mg daily"),
        ("Term treatment falls; give", "term treatment   falls; give"),
    ],
)  # fmt: skip
def test_a_quote_is_found_whatever_typesetting_did_to_it(quote: str, found: str) -> None:
    place = find_quote(quote, TEXT)
    assert place is not None and TEXT[slice(*place)] == found


@pytest.mark.parametrize(
    "quote",
    [
        "The second-line drug is metformin",  # another word
        "The First-line drug is",  # another case
        "5 mg, not 25 mg daily",  # inside a number
        "5mg, not 25mg daily, at pH",
        "rug is metformin",
        "mg, not 25 mg daily, at pH 7",  # ends inside a number
        "irst-line drug is",  # inside a word
        "500 mg three times a day",
        "500 mg",  # too short to prove anything
        "", "   ", "“”", "...",
    ],
)  # fmt: skip
def test_what_does_not_stand_there_is_not_found(quote: str) -> None:
    assert find_quote(quote, TEXT) is None


def test_a_later_place_is_taken_where_an_earlier_one_parts_a_number() -> None:
    text = "Give 15 mg of zalor in the ward. Give 5 mg of zalor at home."
    assert find_quote("5 mg of zalor", text) == (38, 51)
