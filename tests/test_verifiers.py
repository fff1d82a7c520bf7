from __future__ import annotations

import pytest

from zoo.api import Example, Kind, Question
from zoo.arithmetic import equations
from zoo.verifiers import VERIFIERS

DRUGS = ["Insulin", "Metformin", "Glipizide", "Metformin plus insulin"]
NAMED = ["Hepatitis A", "Hepatitis B", "Vitamin C"]
NUMBERS = ["5", "5.5", "15", "50"]

# (kind, gold, options, verdict, responses)

CASES: list[tuple[Kind, str, list[str], str, list[str]]] = [
    ("choice", "Metformin", DRUGS, "right", [
        "B", "(b)", "b", "B.", "**B**", "B. Metformin", "B) Metformin", "Metformin", "metformin.",
        "The answer is metformin", "The answer is B", "Answer: B", "The correct answer is (B).", "A ... no, B",
        "A. No, wait: B.", "I first thought A, but the answer is B", "not A but B", "Metformin, not insulin",
        "<think>\nA or B\n</think>\n\nB", "Option B", "\\boxed{B}",
        "It is B because metformin is first line, and insulin comes later",
        "B. Metformin lowers glucose; insulin is for later.", "The answer is B. Metformin.\nInsulin (A) is wrong.",
        "Rather than insulin, metformin is the first choice.", "I would choose metformin",
        "the best answer is metformin since glipizide causes hypoglycaemia",
        "Unlike insulin, metformin is oral. So metformin.", "A is wrong. C is wrong. So B.", "most likely B",
        "A is probably wrong, so B.", "B. Metformin; glipizide is probably the second choice.", "A is perhaps second; the answer is B",
        "It is B, probably because metformin is cheap.", "Maybe A at first. No, B.", "B. Metformin. Probably A comes later.",
    ]),
    ("choice", "Metformin", DRUGS, "wrong", [
        "A", "A or B", "A and B", "B or C", "either A or B", "not B", "Metformin or insulin", "Insulin, metformin",
        "B. Insulin", "", "I do not know", "Metformin plus insulin", "It could be B", "B ... no, A", "A/B",
        "Perhaps metformin", "none", "D. Metformin plus insulin", "both A and B", "B, C",
        "Metformin and glipizide", "metformin is not the answer", "<think>B</think>A", "<think>B", "B, no, A.",
        "The answer is A or B", "Probably B", "B or maybe A", "It is probably B", "The answer is probably B",
        "Probably the answer is B", "Maybe B", "B, maybe A", "B (or possibly A)", "B, probably.", "B, I guess",
        "I guess it is B", "presumably metformin", "B, perhaps also A", "Perhaps the answer is B",
        "Metformin, or maybe glipizide", "B or even A",
    ]),
    ("choice", "B", DRUGS, "right", [
        "Metformin",
    ]),
    ("choice", "Z", DRUGS, "abstain", [
        "Metformin",
    ]),
    ("choice", "Hepatitis B", NAMED, "right", [
        "Hepatitis B", "It is hepatitis B, since a vaccine exists.",
    ]),
    ("choice", "Hepatitis A", NAMED, "right", [
        "The answer is A",
    ]),
    ("choice", "5", NUMBERS, "right", [
        "5",
    ]),
    ("choice", "5", NUMBERS, "wrong", [
        "5.5",
    ]),
    ("choice", "15", NUMBERS, "right", [
        "The answer is 15.",
    ]),
    ("yes_no_maybe", "yes", [], "right", [
        "Yes", "yes.", "Yes, because there is no evidence against it.", "The answer is yes", "Answer: Yes",
        "Is it so? Yes.", "No, wait, yes.", "<think>\nno\n</think>\n\nYes", "**Yes**", "I would say yes.",
        "No. On second thought, yes.", "So the answer is: yes.",
    ]),
    ("yes_no_maybe", "yes", [], "wrong", [
        "No", "Maybe", "yes and no", "yes or no", "Yes/No", "", "It depends", "Yes. No wait, no.", "not yes",
        "maybe yes", "probably yes", "possibly yes", "No evidence supports it", "There is no doubt",
    ]),
    ("yes_no_maybe", "no", [], "right", [
        "No, there is no evidence.", "The answer is no, since yes would need proof.",
    ]),
    ("yes_no_maybe", "maybe", [], "right", [
        "Maybe.", "The answer is maybe",
    ]),
    ("yes_no_maybe", "true", [], "abstain", [
        "yes",
    ]),
    ("short", "Masked hypertension", [], "right", [
        "masked hypertension", "Masked hypertension.", "The answer is masked hypertension",
        "It is called masked hypertension", "This is masked hypertension, because home readings are high",
        "**Masked hypertension**", "the masked hypertensions",
    ]),
    ("short", "Masked hypertension", [], "wrong", [
        "hypertension of the white coat", "white coat hypertension", "not masked hypertension",
        "masked hypertension or white coat hypertension", "", "either", "I am not sure, masked hypertension",
    ]),
    ("short", "type 2 diabetes", [], "wrong", [
        "type 1 diabetes",
    ]),
    ("short", "type 2 diabetes mellitus", [], "wrong", [
        "diabetes mellitus",
    ]),
    ("short", "masked hypertension in adults", [], "abstain", [
        "masked hypertension",
    ]),
    ("short", "iron deficiency anaemia", [], "right", [
        "iron deficiency anemia", "anaemia of iron deficiency", "Iron-deficiency anaemias",
    ]),
    ("short", "iron deficiency anaemia", [], "wrong", [
        "folate deficiency anaemia", "iron deficiency without anaemia", "I do not know",
    ]),
    ("short", "beta blockers", [], "right", [
        "β-blockers", "Beta blocker",
    ]),
    ("short", "beta blockers", [], "wrong", [
        "alpha blockers", "beta agonists",
    ]),
    ("short", "beta blockers", [], "abstain", [
        "beta-adrenergic blockers", "metoprolol and its like",
    ]),
    ("short", "factor VIII", [], "right", [
        "factor 8",
    ]),
    ("short", "factor VIII", [], "wrong", [
        "factor IX", "factor VII", "factor 9",
    ]),
    ("short", "mitochondrion", [], "right", [
        "the mitochondria",
    ]),
    ("short", "myocardial infarction (heart attack)", [], "right", [
        "a heart attack", "myocardial infarction",
    ]),
    ("short", "myocardial infarction", [], "abstain", [
        "infarction of the myocardium", "heart attack",
    ]),
    ("short", "B", [], "wrong", [
        "A", "D",
    ]),
    ("choice", "Hepatitis B", NAMED, "wrong", [
        "Any of them but hepatitis B",
    ]),
    ("number", "5.5 mmol/L", [], "right", [
        "5.5 mmol/L", "5.5 mmol per litre", "The answer is 5.5 mmol/L.", "5500 µmol/L", "5.5mM", "5.45 mmol/l",
        "0.0055 mol/L", "**5.5 mmol/L**", "5.5 mmol L^-1",
    ]),
    ("number", "5.5 mmol/L", [], "wrong", [
        "5.5", "5.5 mg/dL", "6 mmol/L", "between 5 and 6 mmol/L", "5 to 6 mmol/L", "5-6 mmol/L",
        "5.5 or 6.5 mmol/L", "about the same", "", "5.5 mmol", "could be 5.5 mmol/L",
    ]),
    ("number", "99 mg/dL", [], "right", [
        "0.99 g/L", "99 mg/dL", "990 mg/L", "0.99 mg/mL",
    ]),
    ("number", "10 mg", [], "wrong", [
        "10 mL", "100 mg", "10 g", "10 mg/kg", "10", "10 mg or 20 mg",
    ]),
    ("number", "10 mg", [], "right", [
        "10 mg", "10 milligrams", "10000 mcg", "0.01 g", "10 mg daily", "10 mg in the morning",
        "10 mg given over 2 hours", "5 mg × 2 = 10 mg", "2 tablets of 5 mg is 10 mg", "10,000 µg", "1e-2 g",
        "1.0 × 10^-2 g", "1.0×10⁻² g",
    ]),
    ("number", "1,000 mL", [], "right", [
        "1 L", "1000 mL", "1000 ml", "1 litre", "1,000 mL", "1 000 mL", "1000 cc",
    ]),
    ("number", "1500", [], "right", [
        "1.5×10^3", "1.5e3", "1,500", "1.5 x 10^3", "1500 patients", "1.5 thousand",
    ]),
    ("number", "1500", [], "wrong", [
        "15000", "150",
    ]),
    ("number", "25%", [], "right", [
        "25%", "25 percent", "0.25", "25 per cent", "1/4",
    ]),
    ("number", "25%", [], "wrong", [
        "75%", "0.025", "25 mg",
    ]),
    ("number", "130 mmHg", [], "right", [
        "130 mmHg", "130 mm Hg", "17.3 kPa", "130 millimeters of mercury", "17.33 kilopascal",
        "The limit is 130 mmHg systolic.",
    ]),
    ("number", "130 mmHg", [], "wrong", [
        "130 mg", "140 mmHg", "120 to 130 mmHg", "120-130 mmHg",
    ]),
    ("number", "120/80 mmHg", [], "right", [
        "120/80 mmHg", "A blood pressure of 120/80 mm Hg", "16.0/10.67 kPa",
    ]),
    ("number", "120/80 mmHg", [], "wrong", [
        "135/90 mmHg", "150/100 mmHg", "1.5 mmHg", "120 mmHg", "120/90 mmHg", "130/80 mmHg",
    ]),
    ("number", "4 mEq/L", [], "right", [
        "4 mEq/L", "4 meq/L", "4.0 mEq per liter",
    ]),
    ("number", "4 mEq/L", [], "wrong", [
        "4 mmol/L", "4 mg/L",
    ]),
    ("number", "800 IU", [], "right", [
        "800 IU", "800 international units", "800 units",
    ]),
    ("number", "800 IU", [], "wrong", [
        "800 mg", "80 IU",
    ]),
    ("number", "22 breaths per minute", [], "right", [
        "22 breaths per minute", "22 breaths/min", "22 breaths a minute",
    ]),
    ("number", "22 breaths per minute", [], "wrong", [
        "22 beats per minute", "22 per hour",
    ]),
    ("number", "38 °C", [], "right", [
        "38 °C", "38 degrees Celsius", "38°C", "100.4 °F", "38 C", "311.15 K",
    ]),
    ("number", "38 °C", [], "wrong", [
        "38 °F", "39.5 °C", "38.7 °C",
    ]),
    ("number", "7.35", [], "right", [
        "7.35", "pH 7.35", "a pH of 7.350",
    ]),
    ("number", "7.35", [], "wrong", [
        "7.45", "7.22", "7.36",
    ]),
    ("number", "1998", [], "wrong", [
        "1997", "2010",
    ]),
    ("number", "10 mg", [], "wrong", [
        "1e999 mg", "10^400 mg", "2 x 10^1000 mg", "1e" + "9" * 5000 + " mg",
    ]),
    ("number", "60 beats per minute", [], "right", [
        "60 bpm", "60 beats/min",
    ]),
    ("number", "-3", [], "right", [
        "-3", "−3",
    ]),
    ("number", "-3", [], "wrong", [
        "3",
    ]),
    ("number", "3 days", [], "right", [
        "72 hours", "3 days", "3 d",
    ]),
    ("number", "3 days", [], "wrong", [
        "3 hours", "3 weeks",
    ]),
    ("number", "30 kg/m2", [], "right", [
        "30 kg/m²", "30 kg/m^2", "30 kg/m2",
    ]),
    ("number", "5 stages", [], "right", [
        "5", "5 stages", "The answer is 5 stages in total",
    ]),
    ("number", "5 stages", [], "wrong", [
        "5 mg", "6",
    ]),
    ("number", "30 mL/kg", [], "right", [
        "30 mL/kg", "30 ml per kg", "30 mL/kg of crystalloid in 3 hours",
    ]),
    ("number", "30 mL/kg", [], "wrong", [
        "30 mL", "30 mL/kg/h",
    ]),
    ("number", "$500", [], "right", [
        "$500", "500 dollars", "500 USD",
    ]),
    ("number", "$500", [], "wrong", [
        "$5000", "500 mg",
    ]),
    ("number", "0.5 mL/kg/h", [], "right", [
        "0.5 mL/kg/h", "0.5 ml/kg/hour", "0.5 mL per kg per hour",
    ]),
    ("number", "4.5 x 10^9/L", [], "right", [
        "4.5 × 10⁹/L", "4500 /µL",
    ]),
    ("number", "9.8 m/s^2", [], "right", [
        "9.8 m/s²", "9.81 m s^-2", "9.8 m/s2", "980 cm/s^2",
    ]),
    ("number", "6.5%", [], "right", [
        "HbA1c of 6.5%", "The HbA1c is 6.5%",
    ]),
    ("number", "several", [], "abstain", [
        "2",
    ]),
    ("number", "two", [], "right", [
        "2", "two", "Two of them",
    ]),
    ("number", "3 tablets", [], "right", [
        "three tablets", "Three", "The answer is three tablets.", "Give three tablets a day", "not two but three tablets",
        "3 tablets, in two doses",
    ]),
    ("number", "3 tablets", [], "wrong", [
        "two tablets", "two or three tablets", "two to three tablets", "between two and three", "probably three tablets",
        "thirteen tablets", "three-quarters of a tablet", "thirty-three tablets", "three hundred tablets", "2 or three",
    ]),
    ("number", "three hours", [], "right", [
        "3 hours", "180 minutes", "three hours", "3 h",
    ]),
    ("number", "150 mg", [], "right", [
        "one hundred and fifty milligrams", "a hundred fifty mg", "One hundred fifty milligrams",
    ]),
    ("number", "2500", [], "right", [
        "two thousand five hundred", "two thousand and five hundred patients", "twenty-five hundred",
    ]),
    ("number", "2.5 hours", [], "right", [
        "two and a half hours",
    ]),
    ("number", "25%", [], "right", [
        "twenty-five percent", "twenty five per cent",
    ]),
    ("number", "2 million", [], "right", [
        "two million",
    ]),
    ("number", "5 mg", [], "right", [
        "One should give 5 mg", "Three drugs can be given; the dose is 5 mg",
    ]),
    ("number", "1", [], "wrong", [
        "no one knows", "the one that is given first", "one of them", "two",
    ]),
    ("number", "1 tablet", [], "right", [
        "one tablet", "only one",
    ]),
    ("number", "65", [], "right", [
        "age 65 years", "65 years",
    ]),
]  # fmt: skip


def question(kind: Kind, gold: str, choices: list[str]) -> Question:
    return Question(id="q", kind=kind, question="?", choices=choices, gold=gold, source="s", licence="CC0-1.0")


@pytest.mark.parametrize(
    ("kind", "gold", "choices", "verdict", "response"),
    [(kind, gold, choices, verdict, r) for kind, gold, choices, verdict, responses in CASES for r in responses],
)
def test_a_response_is_judged(kind: Kind, gold: str, choices: list[str], verdict: str, response: str) -> None:
    found = VERIFIERS[kind](question(kind, gold, choices), response)
    assert found.verdict == verdict, found.reason


@pytest.mark.parametrize("kind", ["choice", "yes_no_maybe", "short", "number", "label"])
def test_every_verdict_says_why_and_which_check_it_is(kind: Kind) -> None:
    for response in ("", "no idea at all", "42"):
        found = VERIFIERS[kind](question(kind, "yes", ["yes", "no"]), response)
        assert found.check == kind and found.reason


@pytest.mark.parametrize(
    ("asked", "gold", "response", "verdict"),
    [
        ("What is the daily dose?", "720 mg", "720 mg a day", "right"),
        ("What is the daily dose?", "720 mg/day", "720 mg", "right"),
        ("What is the daily dose?", "720 mg", "360 mg a day", "wrong"),
        ("What is the daily dose?", "720 mg", "720 mg/h", "wrong"), ("What is each dose?", "720 mg", "720 mg a day", "wrong"),
        ("How much per hour?", "125 mL", "125 mL/h", "right"), ("How much in all?", "125 mL", "125 mL/h", "wrong"),
    ],
)  # fmt: skip
def test_the_time_that_is_asked_for_need_not_be_said(asked: str, gold: str, response: str, verdict: str) -> None:
    row = question("number", gold, []).model_copy(update={"question": asked})
    assert VERIFIERS["number"](row, response).verdict == verdict


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        ("Because ice is less dense than water.", "right"), ("Ice is denser than water.", "abstain"),
        ("Ice is not less dense than water.", "abstain"), ("Frozen water takes more room.", "abstain"), ("", "wrong"),
    ],
)  # fmt: skip
def test_an_explanation_is_right_by_rule_only_where_no_word_differs(response: str, verdict: str) -> None:
    row = question("explanation", "Ice is less dense than water.", [])
    assert VERIFIERS["text"](row, response).verdict == verdict


def test_an_example_is_judged_by_its_answer() -> None:
    example = Example(
        id="e",
        kind="number",
        question="?",
        reasoning="r",
        answer="60 mg",
        origin="person",
        source="s",
        licence="CC0-1.0",
    )
    assert (
        VERIFIERS["number"](example, "<think>\n20 times 3 mg is 60 mg, not 70 mg\n</think>\n\n0.06 g").verdict
        == "right"
    )
    assert VERIFIERS["number"](example, "<think>\n60 mg").verdict == "wrong"


@pytest.mark.parametrize(
    ("gold", "choices", "response", "verdict"),
    [
        ("PLAN", [], "PLAN", "right"), ("PLAN", [], "plan.", "right"), ("PLAN", [], "The label is:\nPLAN", "right"),
        ("PLAN", [], "ASSESSMENT AND PLAN", "wrong"), ("PLAN", [], "", "wrong"), ("PLAN", [], "not PLAN", "wrong"),
        ("a", ["a", "b"], "B", "wrong"), ("Yes", ["Yes", "No"], "Answer: Yes", "right"), ("A", [], "A", "right"),
    ],
)  # fmt: skip
def test_a_label_is_the_label_alone(gold: str, choices: list[str], response: str, verdict: str) -> None:
    assert VERIFIERS["label"](question("label", gold, choices), response).verdict == verdict


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        ("What are the side effects of metformin?", "right"), ("What side effects does metformin have?", "right"),
        ("Which side effects come with this drug?", "abstain"), ("Is aspirin safe before surgery?", "wrong"),
        ("", "wrong"),
    ],
)  # fmt: skip
def test_a_summary_is_judged_by_overlap(response: str, verdict: str) -> None:
    gold = question("summary", "What are the side effects of metformin?", [])
    assert VERIFIERS["text"](gold, response).verdict == verdict


@pytest.mark.parametrize("places", [20, 400, 5000])
def test_a_number_of_many_decimals_as_of_a_model_that_repeats_itself_is_read(places: int) -> None:
    """More of them than a float has powers of ten."""
    third = Question(id="q", kind="number", question="How much?", gold="0.333 mg", source="s", licence="l")
    assert VERIFIERS["number"](third, f"0.{'3' * places} mg").verdict == "right"
    (found,) = equations(f"1 / 3 = 0.{'3' * places}")
    assert found.holds
