from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.models import tiny_embedder, tiny_weights
from tests.quality.planted import (
    Say,
    apart_by_answer,
    apart_by_content,
    apart_by_length,
    apart_by_marker,
    apart_by_nothing,
    row,
    rows,
    sentence,
)
from tests.steps.annotate_job import job as annotate_run
from tests.steps.annotate_job import make
from zoo.api import Citation, Example
from zoo.embedding import load_embedder
from zoo.quality.assessing import Assessed, Classifier, assess
from zoo.quality.embedded import Embedded
from zoo.quality.pairs import FEWEST, folds_of, made_wrong, matched
from zoo.quality.rules import Rule
from zoo.quality.solutions import Judged, Solution, judged_of, read_solution, solution_of
from zoo.quality.student import Student
from zoo.run import Job
from zoo.settings import AnnotateSettings, FinetuneSettings, QualitySettings
from zoo.steps.annotate import STEP
from zoo.steps.finetune import load_template


class Told:
    """A classifier that knows the planted word."""

    def scores(self, train: Any, asked: Any, fold: int) -> list[float]:
        return [1.0 if "velvet" in s.reasoning else -1.0 for s in asked]


def assessed(say: Say, count: int = 200, classifier: Classifier | None = None, folds: int = 3) -> Assessed:
    judged = chain.from_iterable(judged_of(r) for r in rows(count, say))
    return assess(classifier or Told(), matched(judged, 0), [], folds, 0)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_embedder(tmp_path_factory.mktemp("embedder"))


def test_solutions_have_one_shape_however_they_were_said() -> None:
    steps, answer = "First the dose is 5 mg. Then it is doubled.", "10 mg"
    cited = [{"text": "First the dose is 5 mg.", "quote": "5 mg is given"}, {"text": "Then it is doubled."}]
    wanted = Solution("How much?", steps, answer)
    for said in (
        f"1. First the dose is **5 mg**.\n2. Then it is doubled.\n\nAnswer: {answer}",
        f"First the dose is 5 mg.\n- Then it is doubled.\nSo the final answer is \\boxed{{{answer}}}.",
        f"<think>\nFirst the dose is 5 mg.\nThen it is doubled\n</think>\n\n{answer}.",
        f"<think>\n{steps}\n</think>\n\nAnswer: {answer}",
        json.dumps({"reasoning": steps, "quotes": ["5 mg"], "answer": answer}),
        "```json\n" + json.dumps({"steps": cited, "answer": answer}) + "\n```",
    ):  # fmt: skip
        assert read_solution("How much?", said) == wanted, said
    assert read_solution("How much?", "The dose is 5 mg and is doubled.") is None
    assert read_solution("How much?", '{"question": "How much?", "answer": "10 mg"}') is None


def test_form_is_matched_and_no_question_is_on_both_sides_of_a_fold() -> None:
    judged = list(chain.from_iterable(judged_of(r) for r in rows(90, apart_by_nothing)))
    judged += [replace(j, form="another") for j in judged if j.right]  # a form without a wrong solution
    both = judged_of(row(4, False, apart_by_nothing))  # question 4 has a right one too
    pairs = matched([*judged, *both], 0)
    sides = [[j for j in pairs.judged if j.right == side] for side in (True, False)]
    assert len(sides[0]) == len(sides[1]) == 45 and {j.form for j in pairs.judged} == {judged[0].form}
    assert len([j for j in pairs.judged if j.solution.question == "Which thing is number 4?"]) == 2
    fold_of = folds_of(pairs, ["another question"], 3, 0)
    assert fold_of.keys() == {j.solution.asked for j in pairs.judged} | {"another question"}

    class Watching:
        def scores(self, train: list[Judged], asked: list[Solution], fold: int) -> list[float]:
            assert not {j.solution.asked for j in train} & {s.asked for s in asked}
            seen.update(s.asked for s in asked)
            return [0.0] * len(asked)

    seen: set[str] = set()
    other = Solution("Another question?", "r", "a")
    assert assess(Watching(), pairs, [other], 4, 0).scores == [0.0]
    assert seen == {j.solution.asked for j in pairs.judged} | {other.asked}


def test_a_rejected_rows_right_solution_and_one_that_was_never_judged_are_no_data() -> None:
    kept = row(0, True, apart_by_nothing)
    (attempt,) = kept.attempts
    refused = row(1, False, apart_by_nothing).model_copy(update={"attempts": [attempt]})
    cut = attempt.model_copy(update={"verdicts": [attempt.verdicts[0].model_copy(update={"check": "answer"})]})
    assert len(list(judged_of(kept))) == 1 and not list(judged_of(refused))
    assert not list(judged_of(kept.model_copy(update={"attempts": [cut]})))


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (apart_by_marker, "only signs and cue words"), (apart_by_length, "only lengths"),
        (apart_by_nothing, "below 0.7"),
    ],
)  # fmt: skip
def test_what_form_tells_and_what_nothing_tells_is_not_filtered_by(say: Say, words: str) -> None:
    class Random:
        def scores(self, train: Any, asked: list[Solution], fold: int) -> list[float]:
            return [random.Random(s.text).uniform(-1, 1) for s in asked]

    found = assessed(say, classifier=Random())
    assert words in found.why_not and found.facts()["filtered"] is False


def test_markers_and_length_say_nothing_of_matched_solutions_and_content_is_filtered_by() -> None:
    found = assessed(apart_by_content, 400)
    assert found.why_not == "" and found.facts()["filtered"] is True
    for rule in ("markers", "length"):
        assert abs(found.areas[rule].value - 0.5) < 0.1
    assert found.areas["classifier"].value == 1.0


def test_the_markers_of_sciinstruct_are_gone_once_solutions_have_one_shape() -> None:
    def said(n: int, right: bool, rng: random.Random) -> str:
        """Right ones as a list with a boxed answer in bold, wrong ones as a plain text: content alike."""
        first, second, answer = sentence(rng), sentence(rng), rng.choice("salt glass wood".split())
        if right:
            return f"### Solution\n\n1. {first}.\n2. {second}.\n\n**Answer:** $\\boxed{{{answer}}}$"
        return f"{first}. {second}.\nAnswer: {answer}"

    def raw(judged: Judged, said: str) -> Judged:
        return replace(judged, solution=replace(judged.solution, reasoning=said))

    every = rows(300, said)
    judged = [j for r in every for j in judged_of(r)]
    areas = assess(Told(), matched(judged, 0), [], 3, 0).areas
    assert 0.4 < areas["markers"].value < 0.6 and 0.4 < areas["length"].value < 0.6
    unmatched = [raw(j, r.attempts[0].said) for r, j in zip(every, judged, strict=True)]
    assert assess(Told(), matched(unmatched, 0), [], 3, 0).areas["markers"].value > 0.99


def test_too_few_questions_are_said_to_be_too_few() -> None:
    found = assessed(apart_by_content, 2 * FEWEST - 2)
    assert f"from fewer than {FEWEST}" in found.why_not and not found.scores and not found.areas
    assert assessed(apart_by_content, 2 * FEWEST).why_not == ""


def test_wrong_solutions_are_made_in_the_form_of_right_ones() -> None:
    def of(kind: str, reasoning: str, answer: str, **more: Any) -> Example:
        said = json.dumps({"reasoning": reasoning, "quotes": [], "answer": answer})
        return row(0, True, lambda *_: said, kind).model_copy(update={"origin": "document", "answer": answer, **more})

    chosen = of("choice", "Zalor comes first of all three.", "zalor", choices=["belam", "zalor", "corin"])
    right, form = solution_of(chosen) or pytest.fail()
    made = made_wrong(chosen, 0)
    assert made and made.made and not made.right and made.form == form
    assert made.solution.reasoning == right.reasoning and made.solution.answer in {"belam", "corin"}
    told = of("short", "It is 25 mg, and 25 mg twice is 50 mg.", "twice", citations=[Citation(quote="a dose of 25 mg")])
    made = made_wrong(told, 0)
    assert made and "25" not in made.solution.reasoning and "50 mg" in made.solution.reasoning
    assert len(made.solution.reasoning) == len((solution_of(told) or pytest.fail())[0].reasoning)
    assert made_wrong(told.model_copy(update={"citations": []}), 0) is None
    assert made_wrong(chosen.model_copy(update={"origin": "questions"}), 0) is None


def test_vectors_tell_what_a_planted_word_means(embedder: Path) -> None:
    found = assessed(apart_by_content, 240, Embedded(load_embedder(embedder)))
    assert found.areas["classifier"].low > 0.8 and found.why_not == ""


def test_the_student_learns_to_say_true_and_false(tmp_path: Path) -> None:
    make(tmp_path, 0)
    own = tmp_path / "pharmacy" / "prompts" / "shared" / "quality.j2"  # short, for a tokenizer that knows few words
    own.parent.mkdir(parents=True)
    own.write_text("{{ answer }}?")
    run = annotate_run(tmp_path, None, AnnotateSettings(quality=QualitySettings(method="student", folds=2, epochs=4)))
    tune = FinetuneSettings(rank=8, alpha=16, learning_rate=2e-2, max_length=256, pass_tokens=4096)
    run = replace(run, recipe=run.recipe.model_copy(update={"finetune": tune}))
    run.__dict__["base"] = tiny_weights(tmp_path / "base")
    job = Job(run, STEP, {}, tmp_path / "annotate")
    found = assessed(apart_by_answer, 160, Student(job, load_template(job)), 2)
    assert found.areas["classifier"].value > 0.9 and found.why_not == ""
    began = len(list(job.work.rglob("checkpoint-*")))
    again = assessed(apart_by_answer, 160, Student(job, load_template(job)), 2)
    assert again.areas == found.areas and len(list(job.work.rglob("checkpoint-*"))) == began, "it went on from its end"


def test_a_rule_has_scores_between_minus_one_and_one() -> None:
    judged = [j for r in rows(60, apart_by_length) for j in judged_of(r)]
    scores = Rule("length").scores(judged[:40], [j.solution for j in judged[40:]], 0)
    assert all(-1 <= s <= 1 for s in scores) and len(set(scores)) > 1
