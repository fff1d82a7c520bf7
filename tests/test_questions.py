from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from zoo.api import Question
from zoo.artifact import Workspace
from zoo.config import Fields, Options, SourceConfig
from zoo.curating.exams import exams_of
from zoo.errors import RequestError, ZooError
from zoo.evaluation.suites import load_suite
from zoo.library import load_domain
from zoo.mapping import questions_of
from zoo.questions import check_sources, load_questions, telling_texts
from zoo.recipes import load_recipe
from zoo.run import Run
from zoo.tables import read_table

PUBMEDQA = {
    "QUESTION": "Does it help?",
    "CONTEXTS": ["One.", "Two."],
    "final_decision": "yes",
    "LONG_ANSWER": "It did.",
}
# As the authors' files have them, and as the Hub has them.
ROWS: dict[str, list[dict[str, Any]]] = {
    "pubmedqa": [
        {"pmid": "12", **PUBMEDQA, "YEAR": "2001"},
        {
            "pubid": 12, "question": "Does it help?", "context": {"contexts": ["One.", "Two."], "labels": ["A", "B"]},
            "long_answer": "It did.", "final_decision": "yes",
        },
    ],
    "medqa": [
        {
            "id": 12, "context": ["A man coughs.", "He smokes."], "question": "What next?", "answer": "Ask",
            "options": {"A": "Ask", "B": "Wait"}, "answer_idx": "A",
        },
        {
            "question": "A man coughs. He smokes. What next?", "answer": "Ask", "options": {"A": "Ask", "B": "Wait"},
            "answer_idx": "A", "meta_info": "step1",
        },
        {
            "id": "12", "sent1": "A man coughs. He smokes. What next?", "ending0": "Ask", "ending1": "Wait",
            "ending2": "Go", "ending3": "Run", "label": 0,
        },
    ],
    "medmcqa": [
        {"id": "12", "question": "Which?", "opa": "a1", "opb": "b1", "opc": "c1", "opd": "d1", "cop": 4, "exp": None},
        {"id": "12", "question": "Which?", "opa": "d1", "opb": "b1", "opc": "c1", "opd": "a1", "cop": 0},
    ],
    "mmlu_medical": [
        {"subject": "anatomy", "split": "dev", "index": 12, "question": "Which?", "A": "a1", "B": "b1", "C": "c1",
         "D": "d1", "answer": "C"},
        {"subject": "anatomy", "question": "Which?", "choices": ["a1", "b1", "c1", "d1"], "answer": 2},
    ],
    "mts_dialog": [
        {"ID": "12", "section_header": "ROS", "dialogue": "Doctor: Pain? \r\nPatient: No. \r\n"},
    ],
    "meqsum": [{"File": "12.txt", "CHQ": "My arm itches. What can I do?", "Summary": "How is an itch treated?"}],
    "medquad": [
        {"qid": "12", "question": "What is it?", "answer": "A\n     thing.", "focus": "it"},
        {"question_id": "12", "question": "What is it?", "answer": "A thing.", "question_type": "information"},
    ],
}  # fmt: skip
GOLD = {
    "pubmedqa": "yes", "medqa": "Ask", "medmcqa": "d1", "mmlu_medical": "c1", "mts_dialog": "ROS",
    "meqsum": "How is an itch treated?", "medquad": "A thing.",
}  # fmt: skip


def a_run(tmp_path: Path, **options: Any) -> Run:
    given = Options(**options)
    return Run(load_domain("medical"), load_recipe("laptop"), given, Workspace(tmp_path))


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(("source", "row"), [(s, r) for s, rows in ROWS.items() for r in rows])
def test_every_variant_of_every_source(source: str, row: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl", [row])
    run = a_run(tmp_path, sources={source: path})
    check_sources(run)
    (question,), rejected = load_questions(run, source)
    assert question.gold == GOLD[source] and not rejected
    assert question.licence == run.domain.source(source).licence and question.source == source
    if question.kind == "choice":
        assert question.gold in question.choices and len(question.choices) >= 2


def test_what_a_row_becomes(tmp_path: Path) -> None:
    def first(source: str, row: int) -> Any:
        path = written(tmp_path / f"{source}.jsonl", [ROWS[source][row]])
        return load_questions(a_run(tmp_path, sources={source: path}), source)[0][0]

    mine, hub = first("pubmedqa", 0), first("pubmedqa", 1)
    assert mine == hub and mine.context == "One.\nTwo." and mine.reasoning == "It did." and mine.id == "pubmedqa-12"
    assert first("medqa", 0).question == first("medqa", 1).question == "A man coughs. He smokes. What next?"
    dialogue = first("mts_dialog", 0)
    assert dialogue.context == "Doctor: Pain?\nPatient: No." and "GENHX (present illness)" in dialogue.question


def test_the_formats_of_files(tmp_path: Path) -> None:
    rows = ROWS["meqsum"]
    written(tmp_path / "a.jsonl", rows)
    (tmp_path / "a.json").write_text(json.dumps(rows))
    with (tmp_path / "a.csv").open("w", newline="") as f:
        table = csv.DictWriter(f, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    import pyarrow as pa
    import pyarrow.parquet as pq
    from openpyxl import Workbook

    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    book = Workbook()
    assert book.active is not None
    book.active.append(list(rows[0]))
    book.active.append(list(rows[0].values()))
    book.save(tmp_path / "a.xlsx")
    for suffix in ("jsonl", "json", "csv", "parquet", "xlsx"):
        assert read_table(tmp_path / f"a.{suffix}") == rows, suffix


def medmcqa_rows(numbers: list[Any]) -> list[dict[str, Any]]:
    return [{**ROWS["medmcqa"][0], "id": str(n), "question": f"{n}?", "cop": cop} for n, cop in enumerate(numbers)]


@pytest.mark.parametrize(
    ("numbers", "golds"),
    [
        ([1, 4, 2], ["a1", "d1", "b1"]), ([1, 0, 3], ["b1", "a1", "d1"]), (["1", "4"], ["a1", "d1"]),
        ([2.0, 4.0], ["b1", "d1"]),
    ],
)  # fmt: skip
def test_the_file_tells_whether_choices_are_counted_from_0_or_1(
    numbers: list[Any], golds: list[str], tmp_path: Path
) -> None:
    path = written(tmp_path / "rows.jsonl", medmcqa_rows(numbers))
    questions, rejected = load_questions(a_run(tmp_path, sources={"medmcqa": path}), "medmcqa")
    assert [q.gold for q in questions] == golds and not rejected


@pytest.mark.parametrize("number", [-1, 5, None, "x"])
def test_a_number_of_no_choice_is_rejected(number: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl", medmcqa_rows([4, number]))
    questions, rejected = load_questions(a_run(tmp_path, sources={"medmcqa": path}), "medmcqa")
    assert [q.gold for q in questions] == ["d1"] and [r.reason for r in rejected] == ["empty gold"]


@pytest.mark.parametrize(("numbers", "holds"), [([1, 2, 3], "neither"), ([0, 4], "both")])
def test_numbers_that_do_not_tell_are_refused_before_any_work(numbers: list[int], holds: str, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl", medmcqa_rows(numbers))
    with pytest.raises(RequestError, match=rf"cop in rows\.jsonl .* cannot be told: it holds {holds} a 0"):
        check_sources(a_run(tmp_path, sources={"medmcqa": path}))
    with pytest.raises(RequestError, match=holds):
        load_suite(load_domain("medical"), "medmcqa").check(a_run(tmp_path, suite_data={"medmcqa": path}))


def test_fields_give_the_right_answer_in_one_way() -> None:
    for more in ({}, {"gold": "{{ a }}", "gold_number": "a"}):
        with pytest.raises(ValueError, match="either as gold or as gold_number"):
            Fields(when=["a"], id="", question="{{ a }}", **more)


def test_a_json_file_that_maps_ids_to_rows(tmp_path: Path) -> None:
    path = tmp_path / "ori_pqal.json"
    path.write_text(json.dumps({"77": PUBMEDQA}))
    (question,), _ = load_questions(a_run(tmp_path, sources={"pubmedqa": path}), "pubmedqa")
    assert question.id == "pubmedqa-77"


def source(kind: Any) -> SourceConfig:
    fields = Fields(
        when=["q", "gold"], id="{{ id }}", question="{{ q }}", choices="{{ choices | tojson }}", gold="{{ gold }}"
    )  # fmt: skip
    return SourceConfig(id="s", kind="questions", licence="MIT", answer=kind, fields=[fields])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"q": " "}, "empty question"),
        ({"gold": ""}, "empty gold"),
        ({"gold": "C"}, "gold not among choices"),
        ({"choices": ["A"]}, "fewer than two choices"),
        ({"choices": ["A", "A"]}, "the same choice twice"),
        ({"choices": "{"}, "the row does not fit"),
    ],
)
def test_bad_rows_are_rejected_with_their_reason(change: dict[str, Any], reason: str) -> None:
    good = {"id": 1, "q": "Which?", "choices": ["A", "B"], "gold": "A"}
    kept, rejected = questions_of(source("choice"), [good, {**good, "id": 2, **change}], "f")
    assert [q.id for q in kept] == ["s-1"]
    assert len(rejected) == 1 and rejected[0].reason.startswith(reason) and rejected[0].path == "f"


def test_a_right_choice_named_by_its_letter_is_spelled_out() -> None:
    golds = ["B", "(a)", "C"]
    rows = [{"id": n, "q": f"Which {n}?", "choices": ["Zalor", "Belam"], "gold": g} for n, g in enumerate(golds)]
    kept, rejected = questions_of(source("choice"), rows, "f")
    assert [q.gold for q in kept] == ["Belam", "Zalor"] and [r.reason for r in rejected] == ["gold not among choices"]


def test_twins_are_rejected_and_ids_are_unique() -> None:
    rows = [{"id": 1, "q": q, "choices": ["A", "B"], "gold": "A"} for q in ("Which?", "Which?", "Where?")]
    kept, rejected = questions_of(source("choice"), rows, "f")
    assert [q.id for q in kept] == ["s-1", "s-1-2"] and rejected[0].reason == "the same question twice"


def test_what_is_wrong_is_said_before_any_work(tmp_path: Path) -> None:
    path = written(tmp_path / "other.jsonl", [{"a": 1, "b": 2}])
    with pytest.raises(RequestError, match=r"columns of other\.jsonl \(a, b\) are not those of pubmedqa"):
        check_sources(a_run(tmp_path, sources={"pubmedqa": path}))
    with pytest.raises(RequestError, match="did you mean 'pubmedqa'"):
        check_sources(a_run(tmp_path, sources={"pubmedqq": path}))
    with pytest.raises(RequestError, match="does not exist"):
        check_sources(a_run(tmp_path, sources={"pubmedqa": tmp_path / "none.jsonl"}))
    with pytest.raises(RequestError, match="no file of rows"):
        check_sources(a_run(tmp_path, sources={"pubmedqa": Path(__file__)}))
    with pytest.raises(RequestError, match="line 1"):
        (tmp_path / "bad.jsonl").write_text("{")
        check_sources(a_run(tmp_path, sources={"pubmedqa": tmp_path / "bad.jsonl"}))


def test_the_hub_offline_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"qiaojin/PubMedQA .* --offline reads caches only"):
        load_questions(a_run(tmp_path, offline=True), "pubmedqa")
    with pytest.raises(RequestError, match="name its file with --source meqsum=PATH"):
        load_questions(a_run(tmp_path, offline=True), "meqsum")


def test_what_must_not_train_covers_exams_and_named_suites(tmp_path: Path) -> None:
    rows = [{**ROWS["mts_dialog"][0], "ID": str(n), "dialogue": f"Doctor: {n}?"} for n in range(3)]
    data = written(tmp_path / "test.jsonl", rows)
    exams = exams_of(a_run(tmp_path, suite_data={"mts_dialog": data}))
    texts = [i.text for i in exams.items]
    exam = read_table(load_domain("medical").folder / "exam.jsonl")
    assert {e["question"] for e in exam} <= set(texts)
    # One instruction for all: its items are told apart by their dialogues, and by them alone.
    assert [i.text for i in exams.items if i.suite == "mts_dialog"] == ["Doctor: 0?", "Doctor: 1?", "Doctor: 2?"]
    assert len(texts) == len(set(texts))
    assert {"healthcare_exam", "general", "mts_dialog"} <= set(exams.checked) and "medqa" in exams.unchecked
    assert {*exams.checked, *exams.unchecked} <= {*load_domain("medical").suite_ids}


def test_one_question_of_many_options_is_told_apart_by_them(tmp_path: Path) -> None:
    def question(n: int, **changed: Any) -> Question:
        given = {"question": "Which is true?", "choices": [f"it is {n}", "it is not"], "gold": f"it is {n}", **changed}
        return Question(id=str(n), kind="choice", source="s", licence="MIT", **given)

    found = telling_texts([question(1), question(2), question(3, context="A dialogue."), question(4, question="Why?")])
    assert found == ["it is 1; it is not", "it is 2; it is not", "A dialogue.", "Why?"]
