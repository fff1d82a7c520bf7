from __future__ import annotations

import pytest

from zoo.graph import names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Angiotensin-converting enzymes", "angiotensin converting enzyme"), ("the heart beat", "heartbeats"), ("NSAIDs", "NSAID"),
        ("oedema", "Edema"), ("viruses", "a virus"), ("allergies", "allergy"), ("tumours", "tumor"),
        ("Ménière's disease", "Meniere's disease"),
        ("organisation", "organization"), ("non-steroidal drug", "nonsteroidal drugs"),
    ],
)  # fmt: skip
def test_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert names.key(one) == names.key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("AIDS", "aids"), ("vitamin A", "vitamin"), ("vitamin A", "vitamin D"), ("5 mg", "15 mg"), ("stage 1 2", "stage 12"),
        ("hypertension", "hypotension"), ("prednisone", "prednisolone"), ("<5 mmol", ">5 mmol"), ("Ca2+", "Ca2"),
    ],
)  # fmt: skip
def test_other_names_have_other_keys(one: str, other: str) -> None:
    assert names.key(one) != names.key(other)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("it", "name_is_a_pronoun"), ("This drug", "name_is_a_pronoun"), ("the patient", "name_is_a_pronoun"),
        ("their use", "name_is_a_pronoun"), ("", "empty_name"), ("...", "empty_name"), ("a", "empty_name"),
        ("the " + "very " * 12 + "long name", "name_too_long"),
        ("vitamin A", None), ("the kidney", None), ("500 mg", None), ("patients with asthma", None),
    ],
)  # fmt: skip
def test_what_names_nothing_is_told(name: str, why: str | None) -> None:
    assert names.fault(name) == why


def test_abbreviations_are_those_that_a_text_explains() -> None:
    text = (
        "Take an angiotensin-converting enzyme (ACE) inhibitor. NSAIDs (non-steroidal anti-inflammatory drugs) are avoided, as is "
        "water (H2O). The dose (see Table) is for chronic obstructive pulmonary disease (COPD); the pressure (XQZ) is not."
    )
    assert names.abbreviations(text) == {
        "ACE": "angiotensin-converting enzyme", "NSAIDs": "non-steroidal anti-inflammatory drugs",
        "COPD": "chronic obstructive pulmonary disease",
    }  # fmt: skip
    assert names.expanded("tissue plasminogen activator (TPA)") == ("tissue plasminogen activator", "TPA")
    assert names.expanded("aspirin (75 mg)") is None


def test_a_name_is_found_over_hyphens_line_ends_and_plurals_and_not_within_a_word() -> None:
    text = "Severe hyper-\ntension, or Hypertensions; antihypertension is none."
    assert [text[a:b] for a, b in names.find_name("hypertension", text)] == ["hyper-\ntension", "Hypertensions"]
    assert names.find_name("the ACE inhibitors", "An ACE-inhibitor is given.") == [(3, 16)]
    assert names.find_name("heart failure (HF)", "In HF the pump fails.") == [(3, 5)]
    assert not names.find_name("failure of the heart", "In heart failure the pump fails.")
