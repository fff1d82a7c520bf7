from __future__ import annotations

import pytest
from zoo.annotators.grounded_qa.checks import Refused, cite
from zoo.annotators.grounded_qa.sentences import in_words, named, nearest, numbered, sentences, without_numbers
from zoo.annotators.grounded_qa.steps import check_steps

from zoo.annotating import Placed
from zoo.api import Document, Example, Passage

TEXTS = (
    "Zalor lowers fever. It takes 2 mg/kg, as Smith [3] found.\nBelam is for asthma.",
    "Corin is kept for last. It harms the liver of 3 in 100 patients.",
)


def placed(n: int, text: str) -> Placed:
    document = Document(id=f"d{n}", path=f"d{n}.md", text=text, source="s", licence="MIT")
    return Placed(Passage(id=f"d{n}#0", document=document.id, text=text, start=0, end=len(text)), document)


SHOWN = [placed(n, t) for n, t in enumerate(TEXTS)]
SPANS = sentences(SHOWN)
ROW = Example(
    id="e",
    kind="short",
    question="Which drug harms the liver?",
    answer="Corin",
    origin="document",
    source="s",
    licence="MIT",
)


def test_every_sentence_and_line_has_a_number_over_all_passages() -> None:
    assert [s.words for s in SPANS] == [
        "Zalor lowers fever.", "It takes 2 mg/kg, as Smith [3] found.", "Belam is for asthma.", "Corin is kept for last.",
        "It harms the liver of 3 in 100 patients.",
    ]  # fmt: skip
    assert numbered(SHOWN) == [
        "[1] Zalor lowers fever. [2] It takes 2 mg/kg, as Smith [3] found.\n[3] Belam is for asthma.",
        "[4] Corin is kept for last. [5] It harms the liver of 3 in 100 patients.",
    ]


@pytest.mark.parametrize(
    ("quote", "words"),
    [
        ("[1]", SPANS[0].words), ("5", SPANS[4].words), ("sentence 3", SPANS[2].words),
        ("[4] [5]", "Corin is kept for last. It harms the liver of 3 in 100 patients."),
        ("[3], [4]", SPANS[2].words),  # of two passages the first counts
        ("[9]", None), ("[0]", None), ("", None), ("3 in 100 patients", None), ("Zalor lowers fever.", None),
    ],
)  # fmt: skip
def test_a_quote_may_be_the_number_of_a_sentence(quote: str, words: str | None) -> None:
    found = named(quote, SPANS)
    assert (found.words if found else None) == words
    assert in_words(quote, SPANS) == (words or without_numbers(quote))


def test_words_are_looked_up_and_their_number_is_no_part_of_them() -> None:
    assert [c.quote for c in cite(["[1] Zalor lowers fever."], SHOWN, "fever")] == ["Zalor lowers fever"]
    assert [c.quote for c in cite(["It takes 2 mg/kg, as Smith [3] found"], SHOWN, "2 mg/kg")] == [
        "It takes 2 mg/kg, as Smith [3] found"
    ]
    with pytest.raises(Refused, match="quote_not_in_passage"):
        cite(["Zalor raises fever in all."], SHOWN, "fever")
    with pytest.raises(Refused, match="no_quote"):
        cite([], SHOWN, "fever")


def test_a_number_that_is_a_slip_gives_way_to_the_sentence_that_says_so_and_made_up_words_do_not() -> None:
    (citation,) = cite(["[2]"], SHOWN, "Corin")
    assert (citation.passage, citation.quote) == ("d1#0", SPANS[3].words)
    steps = [
        {"text": "Corin is kept for last.", "quote": "[2]"},
        {"text": "It harms the liver of 3 in 100 patients.", "quote": "[1]"},
        {"text": "So the drug that harms the liver is corin.", "quote": ""},
    ]
    found = check_steps(steps, ROW, "Corin", SHOWN)
    assert [(c.step, c.quote) for c in found.citations] == [(0, SPANS[3].words), (1, SPANS[4].words)]
    wrong = [{"text": "It harms the liver of 30 in 100 patients.", "quote": "[5]"}, steps[0], steps[2]]
    with pytest.raises(Refused, match="quote_does_not_support"):
        check_steps(wrong, ROW, "Corin", SHOWN)
    with pytest.raises(Refused, match="quote_not_in_passage"):
        check_steps([{**steps[0], "quote": "Corin is kept for the very last."}, *steps[1:]], ROW, "Corin", SHOWN)


def test_the_nearest_sentences_share_the_most_words() -> None:
    assert nearest("the liver is harmed in patients", SPANS)[0] == SPANS[4]
    assert nearest("nothing of this", SPANS) == []
