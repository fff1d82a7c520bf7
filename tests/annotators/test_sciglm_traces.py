from __future__ import annotations

import importlib

import pytest

traces = importlib.import_module("zoo.annotators.sciglm.traces")

HINTED = [
    "The answer is given as 60 mg, so the dose must be 3 mg/kg.", "The reference answer is metformin.",
    "We know the answer is 12.",
    "We know that the answer is B, so the others are wrong.", "According to the hint, insulin is first.",
    "This matches the expected answer.", "This matches the given answer.",
    "Since the answer should be 25, we divide by 4.",
    "Since the answer is metformin, the patient must have diabetes.", "As given, the answer is 12.",
    "The provided answer is yes.",
    "which agrees with the provided answer", "consistent with the known answer", "As the hint says, it is the kidney.",
    "Given that the answer is maybe, the evidence is mixed.",
    "Knowing that the correct answer is no, we look for a reason.",
    "The correct answer is given as glucagon.", "The correct answer is known to be glucagon.",
    "We are told the answer is 5.",
    "We are given the answer, 5 mg.", "You told me that the answer is 5.", "It is known that the answer is 4.",
    "This leads to the given answer.", "This is in line with the reference solution.", "The gold answer is 42.",
    "So 3 × 4 = 12, which confirms the answer.", "Working backwards from the answer, the weight is 20 kg.",
    "To arrive at the given answer we divide by two.", "The answer key says 7.", "The stated answer is 60 mg.",
    "Assuming the answer is 12, x is 3.", "which matches the correct answer",
    "This corresponds to the expected answer of 12 mg.",
    "As hinted, the drug is metformin.", "The hint suggests a drug for diabetes.",
    "Because the correct option is already known, we justify it.",
    "The solution is already known, so we work towards it.", "The target answer is 5.",
    "which equals the provided result",
    "So the dose is 60 mg, as given.", "The result is 12, as expected.", "I already know the correct answer.",
    "This supports the given option.", "With the hint, we see that it is the liver.", "The answer provided is 9.",
    "We were told that the correct answer is no.", "The official answer is 3.",
    "Since the correct answer must be yes, the drug works.",
    "This is the dose that was given as the answer.", "This is the answer we were given.", "The answer (60 mg) is already known.",
    "It is 60 mg, just as the problem's answer says.", "The problem says the answer should be 60 mg.",
]  # fmt: skip
UNHINTED = [
    "The question states that the answer is to be in mg.", "The answer (60 mg) is given by the formula.",
    "The patient was given aspirin as the first treatment.", "The question's answer is a sum.",
    "The reference range of sodium is 135 to 145 mmol/L.", "As given in the table of the question, sodium is 140.",
    "Given that the patient is 80 years old, start low.", "The dose given is 60 mg.", "The given weight is 20 kg.",
    "The known half-life is 6 hours.", "So the answer is metformin.", "Therefore the correct answer is metformin.",
    "The answer follows from the weight.", "To answer the question we need the dose.",
    "The question asks for the daily dose.",
    "The drug is given by mouth.", "Calcium is given first.", "We know that potassium is high.",
    "We are told that he smokes.",
    "We are given a weight of 20 kg and a dose of 3 mg/kg.", "It is known that metformin lowers glucose.",
    "Since the patient is pregnant, ACE inhibitors are avoided.", "As expected in iron deficiency, ferritin is low.",
    "The expected value is 3.5.", "The expected compensation is 26 mmHg.", "This is consistent with heart failure.",
    "The findings match those of gout.", "The sample agrees with the hypothesis.", "The reference electrode is at 0 V.",
    "The gold standard is biopsy.", "The correct dose is 60 mg.", "The correct option must act on the liver.",
    "Among the options only adrenaline acts at once.", "The solution is given over 8 hours.",
    "A saline solution is given.",
    "The solution is supplied in ampoules of 10 mL.", "The result is known as a false positive.",
    "The test result is given in mmol/L.", "Check: 12 × 5 = 60, which matches 5 × 12.",
    "The target pressure is 130 mmHg.",
    "The result is expressed as a percentage.", "Assuming that the gas is ideal, pV = nRT.",
    "Knowing the mass, we find the volume.",
    "This leads to the right ventricle.", "Given the options, the best choice is metformin.",
    "The answer is not aspirin, since it bleeds.",
    "Since the answer is asked in mg, we multiply by 1000.", "The answer must be positive, so x is 3.",
    "The history hints at gout.", "The result is available after two days.",
    "The known risk factors are age and smoking.",
    "The model answers to insulin.", "The expected number of heads is 5.", "The reference solution had a pH of 7.",
    "A provided sample is tested.", "The final answer is expressed in metres.", "As required, the sum is even.",
    "He was given the option of surgery.", "The choice is indicated by the low potassium.",
    "The option is given by the guideline.",
]  # fmt: skip
EARLIER = [
    "The previous solution forgot the weight.", "My earlier attempt was wrong.", "The first solution used 30 kg.",
    "I made a mistake in the division.", "I incorrectly took the pressure for the volume.",
    "Correcting this error, we get 12.",
    "The error was in the second step.", "The wrong solution divides by 3.", "Here is the corrected solution.",
    "We mistakenly added the risks.", "The original reasoning ignores the age.",
    "In the incorrect solution the unit is lost.",
]  # fmt: skip
NOT_EARLIER = [
    "The first attempt of defibrillation failed.", "Errors of measurement are small.", "The previous dose was 30 mg.",
    "An earlier diagnosis would have helped.", "The standard error is 2.", "A buffer solution is added.",
    "The first step is to find the weight.", "A wrong dose can harm.", "The initial value is 5.",
    "The original price was $80.",
]  # fmt: skip


@pytest.mark.parametrize("text", HINTED)
def test_words_that_betray_a_known_answer_are_found(text: str) -> None:
    assert traces.trace_of_hint(f"The weight is 20 kg. {text}") and traces.trace_of_hint(text)


@pytest.mark.parametrize("text", UNHINTED)
def test_ordinary_words_betray_nothing(text: str) -> None:
    assert traces.trace_of_hint(f"The weight is 20 kg. {text}") == "" == traces.trace_of_hint(text)


@pytest.mark.parametrize(("text", "found"), [(t, True) for t in EARLIER] + [(t, False) for t in NOT_EARLIER])
def test_words_about_an_earlier_solution_are_found(text: str, found: bool) -> None:
    assert bool(traces.trace_of_earlier(text)) == found


def test_the_questions_own_words_betray_nothing() -> None:
    question = "Why does the expected answer of the questionnaire differ?"
    assert traces.trace_of_hint("The expected answer differs by age.", question) == ""
    assert traces.trace_of_hint("The expected answer differs by age.") == "The expected answer"
