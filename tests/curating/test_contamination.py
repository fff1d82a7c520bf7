"""Exam items planted in training data. What the real embedder finds of reworded ones is measured by tests/bench/contamination.py;
here words alone decide, or an embedder that knows nothing but words."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.curating.planted import a_job, as_rows, edited, example, found, halves, items_of_exam, planted
from tests.steps.annotate_job import fake_embedder
from zoo.curating.exams import Item, exams_of
from zoo.curating.likeness import Put, asks_the_same, content
from zoo.curating.ngrams import Grams
from zoo.run import Job


def by_words(folder: Path, done: Any = None) -> Callable[[list[str]], Any]:
    """Each word that means something is a direction of its own; a text is their sum."""

    def embed(texts: list[str]) -> Any:
        out = np.zeros((len(texts), 4096), dtype=np.float32)
        for n, text in enumerate(texts):
            for word in content(text):
                out[n, int(hashlib.sha256(word.encode()).hexdigest()[:8], 16) % 4096] += 1
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)

    return embed


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr("zoo.embedding.load_embedder", fake_embedder)
    return a_job(tmp_path, tmp_path)


def test_planted_items_are_found_verbatim_and_edited_and_clean_rows_are_kept(job: Job) -> None:
    items = items_of_exam(job)
    verbatim, _ = planted(items)
    copies, changed = found(job, verbatim), found(job, edited(verbatim, 12))
    assert len(verbatim) == len(copies) == 30 and len(changed) >= 27
    for row_id, taken in {**copies, **changed}.items():
        assert taken.reason in {"contaminated_13gram", "contaminated_8gram"}
        assert (taken.detail["suite"], taken.detail["item"]) == ("healthcare_exam", row_id)
    row = verbatim[0]
    assert copies[row.id].detail["words"] in " ".join(row.question.lower().replace("?", "").replace(".", "").split())
    seeds = job.domain.seeds
    one, two = halves(items)
    false = len(found(job, seeds)) + len(found(job, as_rows(one), two)) + len(found(job, as_rows(two), one))
    assert len(seeds) + len(items) > 500 and false <= 0.02 * (len(seeds) + len(items))


def test_what_asks_the_same_in_other_words_is_told_by_its_answer(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.embedding.load_embedder", by_words)
    options = ("noradrenaline", "dopamine")
    question = "Which drug is given first in the treatment of septic shock"
    item = Item("exam", "x1", "choice", question, options, "noradrenaline", True)
    asked = "As treatment of a septic shock nurses use what drug first?"
    rows = [
        example("same", "short", asked, [], "Noradrenaline"),
        example("another answer", "short", asked, [], "hydrocortisone"),
        example(
            "another matter", "short", "In the treatment of acne which drug is given at night", [], "noradrenaline"
        ),
        example("no telling answer", "yes_no_maybe", asked, [], "yes"),
    ]
    taken = found(job, rows, [item])
    assert set(taken) == {"same"}
    detail = taken["same"].detail
    assert taken["same"].reason == "contaminated_neighbour" and detail["item"] == "x1" and "septic" in detail["words"]


@pytest.mark.parametrize(
    ("question", "row", "answer", "same"),
    [
        (0.66, Put("choice", ["a drug", "rest"], "rest"), 0.0, True),  # the very answer
        (0.64, Put("choice", ["a drug", "rest"], "rest"), 0.0, False),  # too far for any answer
        (0.72, Put("short", [], "repose"), 0.75, True),  # the answer in other words
        (0.72, Put("short", [], "exercise"), 0.6, False),
        (0.72, Put("choice", ["rest", "a drug"], "a rest"), 0.6, True),  # half the answer, and the options
        (0.95, Put("choice", ["ice", "heat"], "ice"), 0.1, False),  # one stem, other options
        (0.95, Put("short", [], "ice"), 0.1, True),
    ],
)
def test_the_rule_weighs_question_answer_and_options(question: float, row: Put, answer: float, same: bool) -> None:
    item = Put("choice", ["rest", "a drug"], "rest")
    assert asks_the_same(row, item, question, answer, 0.9) is same


def test_a_phrase_that_many_items_have_counts_for_little() -> None:
    stock = "a man comes to the physician because of a cough that began two weeks ago and"
    grams = Grams([f"{stock} his number {n} is odd, which of these {n} signs would you look for" for n in range(20)], 8)
    shared = grams.shared([f"{stock} he is tired all the time and cannot sleep"])
    assert len(shared) == 20 and max(s.share for s in shared) < 0.05
    (best, *_) = grams.shared([f"{stock} his number 7 is odd, which of these 7 signs would you look for"])
    assert best.item == 7 and best.share > 0.5


def test_suites_that_are_not_on_this_disk_are_named(job: Job) -> None:
    exams = exams_of(job.run)
    assert {"general", "healthcare_exam", "healthcare_exam_open"} <= set(exams.checked)
    assert {"medqa", "medmcqa", "pubmedqa"} <= set(exams.unchecked)
    assert {i.suite for i in exams.items} == {"general", "healthcare_exam"}, "what several suites put is there once"


def test_characters_that_nobody_sees_hide_no_copy(job: Job) -> None:
    verbatim, _ = planted(items_of_exam(job))
    unseen = ("\u00ad", "\u200b", "\ufeff", "\u2060")
    hidden = [
        row.model_copy(update={"question": "".join(c + unseen[n % 4] * c.isalpha() for c in row.question)})
        for n, row in enumerate(verbatim)
    ]
    assert len(found(job, hidden)) == len(verbatim)
