from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.steps.annotate_job import SUITE, job, make
from zoo.api import Example
from zoo.artifact import Workspace
from zoo.config import Options
from zoo.errors import RequestError
from zoo.evaluation.contestants import choose_shots, wants_shots
from zoo.evaluation.suites import load_suite, packaged_suites, split_items, suite_ids
from zoo.library import Domain, load_domain
from zoo.prompting import user_turn
from zoo.recipes import load_recipe
from zoo.run import Run
from zoo.settings import AnnotateSettings, EvaluateSettings
from zoo.steps.evaluate import STEP as EVALUATE

DOMAIN = load_domain("medical")
ZOO = {"data": "pubmedqa", "context": "shown", "baseline": "majority", "metric": "acc"}
IDS = {
    "healthcare_exam", "healthcare_exam_open", "healthcare_exam_cot", "pubmedqa", "pubmedqa_cot", "medqa", "medqa_cot",
    "medmcqa", "mmlu_medical", "mts_dialog", "meqsum", "medquad", "general",
}  # fmt: skip


def a_run(tmp_path: Path, settings: tuple[str, ...] = (), **options: Any) -> Run:
    given = Options(settings=settings, **options)
    return Run(DOMAIN, load_recipe("laptop", settings), given, Workspace(tmp_path))


def items_file(path: Path, n: int = 3) -> Path:
    rows = [{"ID": str(i), "section_header": "ROS", "dialogue": f"Doctor: {i}?"} for i in range(n)]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def test_the_suites_of_healthcare() -> None:
    assert IDS <= set(DOMAIN.suite_ids)
    assert set(packaged_suites(DOMAIN)) >= {"healthcare_exam", "healthcare_exam_open", "healthcare_exam_cot", "general"}
    for suite_id in IDS:
        suite = load_suite(DOMAIN, suite_id)
        assert suite.version == "1.0" and suite.generates == (suite.config["output_type"] == "generate_until")


def test_general_has_enough_items_and_shots_of_several_areas(tmp_path: Path) -> None:
    suite = load_suite(DOMAIN, "general")
    scored, held = split_items(suite, suite.questions(a_run(tmp_path)), None, 0)
    assert len(scored) >= 300 and len({q.id for q in scored + held}) == len(scored) + len(held)
    assert len({q.id.split("-")[2] for q in held}) == 4


def test_a_limit_takes_the_same_items_of_the_same_data(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    chosen = [
        [q.id for q in split_items(s, s.questions(run), 10, 0)[0]]
        for s in (load_suite(DOMAIN, i) for i in ("healthcare_exam", "healthcare_exam_open"))
    ]
    assert chosen[0] == chosen[1] and len(chosen[0]) == 10


def test_the_prompt_is_the_students(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    for suite_id, context, reasoning in (
        ("healthcare_exam", False, False), ("healthcare_exam_open", True, False), ("healthcare_exam_cot", True, True),
    ):  # fmt: skip
        suite = load_suite(DOMAIN, suite_id)
        question = suite.questions(run)[0]
        row = suite.row(question)
        assert row["prompt"] == user_turn(
            DOMAIN, question, context=context, reasoning=reasoning, options=reasoning
        )  # fmt: skip
        assert (question.context in row["prompt"]) == context
        assert row["options"][row["gold_index"]] == question.gold


def test_which_suites_run(tmp_path: Path) -> None:
    data = items_file(tmp_path / "t.jsonl")
    own = list(DOMAIN.config.suites)
    assert suite_ids(a_run(tmp_path)) == own
    assert suite_ids(a_run(tmp_path, suites=("pubmedqa",), suite_data={"mts_dialog": data})) == [
        *own, "pubmedqa", "mts_dialog",
    ]  # fmt: skip
    assert suite_ids(a_run(tmp_path, settings=("evaluate.suites=[general]",))) == ["general"]
    with pytest.raises(RequestError, match="did you mean 'pubmedqa'"):
        suite_ids(a_run(tmp_path, suites=("pubmedqaa",)))
    with pytest.raises(RequestError, match="did you mean 'general'"):
        suite_ids(a_run(tmp_path, settings=("evaluate.limit={generl: 3}",)))


def test_items_that_are_not_there(tmp_path: Path) -> None:
    mts = load_suite(DOMAIN, "mts_dialog")
    with pytest.raises(RequestError, match="name their file with --suite-data mts_dialog=PATH"):
        mts.check(a_run(tmp_path))
    with pytest.raises(RequestError, match="does not exist"):
        mts.check(a_run(tmp_path, suite_data={"mts_dialog": tmp_path / "none.jsonl"}))
    with pytest.raises(RequestError, match="are not those of pubmedqa"):
        load_suite(DOMAIN, "pubmedqa").check(a_run(tmp_path, suite_data={"pubmedqa": items_file(tmp_path / "m.jsonl")}))
    mts.check(a_run(tmp_path, suite_data={"mts_dialog": items_file(tmp_path / "t.jsonl")}))


def test_how_a_source_is_mapped_decides_the_items_of_its_suite(tmp_path: Path) -> None:
    run = a_run(tmp_path, suite_data={"mts_dialog": items_file(tmp_path / "d.jsonl")})
    before = load_suite(DOMAIN, "mts_dialog").data_identity(run)
    source = DOMAIN.source("mts_dialog")
    fields = [f.model_copy(update={"question": "Which section?"}) for f in source.fields]
    sources = [s.model_copy(update={"fields": fields}) if s is source else s for s in DOMAIN.config.sources]
    changed = replace(DOMAIN, config=DOMAIN.config.model_copy(update={"sources": sources}))
    assert load_suite(DOMAIN, "mts_dialog").data_identity(run) == before
    assert load_suite(changed, "mts_dialog").data_identity(run) != before


def test_a_suite_and_its_cot_share_a_file(tmp_path: Path) -> None:
    row = {"pmid": "1", "QUESTION": "Q?", "CONTEXTS": ["c"], "final_decision": "no", "LONG_ANSWER": "l"}
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(row) + "\n")
    run = a_run(tmp_path, suite_data={"pubmedqa": path})
    for suite_id in ("pubmedqa", "pubmedqa_cot"):
        (question,) = load_suite(DOMAIN, suite_id).questions(run)
        assert question.gold == "no"


def broken(tmp_path: Path, change: dict[str, Any]) -> Domain:
    folder = tmp_path / "d" / "suites"
    folder.mkdir(parents=True)
    config = yaml.safe_load((DOMAIN.folder / "suites" / "pubmedqa.yaml").read_text())
    config.update(change)
    (folder / "pubmedqa.yaml").write_text(yaml.safe_dump({k: v for k, v in config.items() if v is not None}))
    return Domain(tmp_path / "d", DOMAIN.config, "d")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "other"}, "calls itself 'other'"),
        ({"test_split": None}, "has no 'test_split'"),
        ({"output_type": "generate"}, "did you mean 'generate_until'"),
        ({"metadata": {"version": 1, "zoo": {**ZOO, "resoning": True}}}, "'resoning'; did you mean 'reasoning'"),
    ],
)
def test_a_suite_with_a_fault(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        load_suite(broken(tmp_path, change), "pubmedqa")


CHOICE = {"metric": "acc", "aggregation": "mean"}
WRITTEN = {"output_type": "generate_until", "metric_list": [{"metric": "chrf", "aggregation": "chrf"}]}


@pytest.mark.parametrize(
    ("metric", "change", "message"),
    [
        ("acc_norm", {"metric_list": [CHOICE]}, "scored by acc_norm, which its metric_list lacks"),
        ("f1", {"metric_list": [CHOICE, {"metric": "f1"}]}, "no metric in pubmedqa.yaml 'f1'; known: acc, acc_norm"),
        ("chrf", WRITTEN, "scored by chrf, which is one number for all items"),
        ("exact_match", WRITTEN, "'exact_match'; known: chrf, rougeL, verified"),
    ],
)
def test_a_metric_that_would_be_missing_from_the_scores(
    tmp_path: Path, metric: str, change: dict[str, Any], message: str
) -> None:
    metadata = {"version": 1, "zoo": {**ZOO, "metric": metric}}
    with pytest.raises(RequestError, match=message):
        load_suite(broken(tmp_path, {**change, "metadata": metadata}), "pubmedqa")


EXAM_ITEM = {
    "id": "i1", "kind": "choice", "question": "Which?", "choices": ["x", "y"], "answer": "x", "origin": "person",
    "source": "exam", "licence": "MIT",
}  # fmt: skip


@pytest.mark.parametrize(
    ("item", "zoo", "message"),
    [
        ({"answer": "B"}, {}, r"exam\.jsonl row 2 \(i2\) cannot be an item: gold not among choices; its answer is 'B'"),
        ({"choices": ["x"]}, {}, "fewer than two choices"),
        ({"kind": "number", "choices": []}, {}, r"i2 of exam\.jsonl .* no options to choose from \(output_type"),
        ({"kind": "label", "answer": "z"}, {}, r"i2 of exam\.jsonl .* answer not among its options"),
        ({"kind": "number", "choices": []}, {"baseline": "chance", "metric": "verified"}, "from .baseline: chance"),
        ({"kind": "short", "choices": []}, {"baseline": "majority", "metric": "verified"}, "names none for short"),
    ],
)
def test_an_exam_that_cannot_be_scored_is_refused_before_any_work(
    tmp_path: Path, item: dict[str, Any], zoo: dict[str, Any], message: str
) -> None:
    make(tmp_path, 1, verifiers={"choice": "choice", "number": "number"})
    suite = SUITE | {"output_type": "generate_until" if zoo else "multiple_choice"}
    suite["metadata"] = {"version": 1, "zoo": SUITE["metadata"]["zoo"] | zoo}
    (tmp_path / "pharmacy" / "suites" / "pharmacy_exam.yaml").write_text(yaml.safe_dump(suite))
    exam = tmp_path / "pharmacy" / "exam.jsonl"
    exam.write_text(f"{json.dumps(EXAM_ITEM)}\n")
    run = job(tmp_path, None, AnnotateSettings())
    EVALUATE.check(run)
    exam.write_text(f"{json.dumps(EXAM_ITEM)}\n{json.dumps(EXAM_ITEM | {'id': 'i2'} | item)}\n")
    with pytest.raises(RequestError, match=message):
        EVALUATE.check(run)


@pytest.mark.parametrize(
    ("zoo", "message"),
    [
        (
            {"baseline": "chance", "metric": "rougeL"},
            r"\(baseline: chance\) needs options .* the number answers of asked",
        ),
        ({"baseline": "majority", "metric": "verified"}, "names none for number answers"),
    ],
)
def test_a_suite_over_a_source_of_open_questions(tmp_path: Path, zoo: dict[str, Any], message: str) -> None:
    make(tmp_path, 1, suites=["asked"])
    suite = SUITE | {"task": "asked", "output_type": "generate_until"}
    suite["metadata"] = {"version": 1, "zoo": SUITE["metadata"]["zoo"] | {"data": "asked", "split": "test"} | zoo}
    (tmp_path / "pharmacy" / "suites" / "asked.yaml").write_text(yaml.safe_dump(suite))
    data = tmp_path / "a.jsonl"
    data.write_text('{"id": 1, "q": "How much?", "a": "5 mg"}\n')
    with pytest.raises(RequestError, match=message):
        EVALUATE.check(job(tmp_path, None, AnnotateSettings(), suite_data={"asked": data}))


def example(n: int, answer: str, source: str = "mts_dialog", kind: Any = "label") -> Example:
    return Example(
        id=f"e{n}", kind=kind, question="Which section?", context=f"c{n}", answer=answer, origin="questions",
        source=source, licence="MIT",
    )  # fmt: skip


def test_shots_show_different_labels_of_the_suites_own_source(tmp_path: Path) -> None:
    suite = load_suite(DOMAIN, "mts_dialog")
    items = suite.questions(a_run(tmp_path, suite_data={"mts_dialog": items_file(tmp_path / "t.jsonl")}))
    pool = [example(n, "ROS") for n in range(20)] + [example(30, "CC"), example(31, "PLAN"), example(40, "X", "other")]
    shots = choose_shots(suite, items, [], pool, 3, seed=1)
    assert {s.gold for s in shots} == {"ROS", "CC", "PLAN"}
    assert shots == choose_shots(suite, items, [], pool, 3, seed=1)
    assert choose_shots(suite, items, [], [example(1, "yes", kind="yes_no_maybe")], 3, seed=1) == []
    assert [s.gold for s in choose_shots(suite, items, [], [example(40, "X", "other")], 3, seed=1)] == ["X"]


def test_a_shot_is_never_an_item(tmp_path: Path) -> None:
    suite = load_suite(DOMAIN, "mts_dialog")
    items = suite.questions(a_run(tmp_path, suite_data={"mts_dialog": items_file(tmp_path / "t.jsonl")}))
    same = example(0, "ROS").model_copy(update={"question": items[0].question, "context": items[0].context})
    assert choose_shots(suite, items, [], [same], 3, seed=1) == []


def test_who_is_shown_shots(tmp_path: Path) -> None:
    run = a_run(tmp_path, suite_data={"mts_dialog": items_file(tmp_path / "t.jsonl")})
    wanted = {}
    for suite_id in ("healthcare_exam", "healthcare_exam_cot", "mts_dialog"):
        suite = load_suite(DOMAIN, suite_id)
        wanted[suite_id] = [
            wants_shots(suite, suite.questions(run), EvaluateSettings(**s), decides)
            for s, decides in (({}, False), ({"few_shot_generative": True}, False), ({"few_shot": 0}, True), ({}, True))
        ]
    assert wanted == {
        "healthcare_exam": [True, True, False, True], "healthcare_exam_cot": [False, True, False, True],
        "mts_dialog": [True, True, False, True],
    }  # fmt: skip
