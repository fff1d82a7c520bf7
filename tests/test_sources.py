"""Where a source's rows lie, and which of them train."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.steps.annotate_job import DOMAIN as PHARMACY
from tests.steps.annotate_job import SUITE, job, make
from tests.test_questions import PUBMEDQA, a_run, written
from zoo.curating.exams import exams_of
from zoo.errors import RequestError
from zoo.evaluation.suites import load_suite
from zoo.library import load_domain
from zoo.material import identity_of_questions
from zoo.questions import check_sources, load_questions
from zoo.run import Run
from zoo.settings import AnnotateSettings
from zoo.tables import read_table

TEST_ID, TRAIN_ID = "12377809", "10808977"  # of PubMedQA's authors


def pubmedqa(path: Path, *ids: str) -> Path:
    return written(path, [{"pmid": i, **PUBMEDQA, "QUESTION": f"Does {i} help?"} for i in ids])


def parts(tmp_path: Path, path: Path) -> tuple[set[str], set[str]]:
    """The ids that train and those that test of one and the same file."""
    run = a_run(tmp_path, sources={"pubmedqa": path}, suite_data={"pubmedqa": path})
    trains, left = load_questions(run, "pubmedqa")
    items = load_suite(run.domain, "pubmedqa").load(run)
    assert {r.reason for r in left} <= {"a test item of its authors, which does not train"}
    assert {r.reason for r in items.rejected} <= {"no test item of its authors"}
    assert len(trains) + len(left) == len(items.questions) + len(items.rejected)
    return {q.id.partition("-")[2] for q in trains}, {q.id.partition("-")[2] for q in items.questions}


def test_the_authors_test_items_never_train_in_whatever_file_they_stand(tmp_path: Path) -> None:
    both = pubmedqa(tmp_path / "both.jsonl", TRAIN_ID, TEST_ID, "1")
    assert parts(tmp_path, both) == ({TRAIN_ID, "1"}, {TEST_ID})
    own = pubmedqa(tmp_path / "own.jsonl", "1", "2")
    assert parts(tmp_path, own) == ({"1", "2"}, {"1", "2"})
    again = pubmedqa(tmp_path / "again.jsonl", "1", TEST_ID)
    rows = [*read_table(again), {"pmid": TEST_ID, **PUBMEDQA, "QUESTION": "The same id once more?"}]
    assert parts(tmp_path, written(again, rows)) == ({"1"}, {TEST_ID, f"{TEST_ID}-2"})


def test_a_file_of_test_items_alone_is_refused_as_a_source_before_any_work(tmp_path: Path) -> None:
    run = a_run(tmp_path, sources={"pubmedqa": pubmedqa(tmp_path / "test.jsonl", TEST_ID)})
    with pytest.raises(RequestError, match=r"No row of test\.jsonl can train .* a test item of its authors"):
        check_sources(run)


def test_the_list_of_test_items_decides_what_is_trained_on_and_scored(tmp_path: Path) -> None:
    run = a_run(tmp_path, sources={"pubmedqa": (path := pubmedqa(tmp_path / "p.jsonl", "1", TEST_ID))})
    shutil.copytree(run.domain.folder, tmp_path / "copy")
    other = replace(run, domain=replace(run.domain, folder=tmp_path / "copy"))
    scored = a_run(tmp_path, suite_data={"pubmedqa": path})

    def identities() -> list[Any]:
        return [identity_of_questions(other), load_suite(other.domain, "pubmedqa").data_identity(scored)]

    before = identities()
    assert before[0] == identity_of_questions(run)
    (tmp_path / "copy" / "pubmedqa_test_ids.txt").write_text("1\n")
    after = identities()
    assert before[0] != after[0] and before[1] != after[1]


def test_the_authors_test_items_of_pubmedqa() -> None:
    ids = (load_domain("medical").folder / "pubmedqa_test_ids.txt").read_text().split()
    assert len(ids) == len(set(ids)) == 500 and TEST_ID in ids and TRAIN_ID not in ids


def pharmacy(root: Path, **source: Any) -> Run:
    """A run that uses the one questions source of a domain, with `source` in its YAML."""
    asked = PHARMACY["sources"][1] | {"id": "packaged", **source}
    make(root, 1, sources=[PHARMACY["sources"][0], asked], verifiers={"choice": "choice", "number": "number"})
    return job(root, None, AnnotateSettings(sources=["packaged"]))


def test_a_source_can_come_with_its_domain(tmp_path: Path) -> None:
    run = pharmacy(tmp_path, path="own.jsonl")
    with pytest.raises(RequestError, match=r"own\.jsonl does not exist"):
        check_sources(run)
    written(run.domain.folder / "own.jsonl", [{"id": "7", "q": "How much?", "a": "5 mg"}])
    check_sources(run)
    (question,), _ = load_questions(run, "packaged")
    assert (question.id, question.gold) == ("packaged-7", "5 mg")
    before = identity_of_questions(run)
    written(run.domain.folder / "own.jsonl", [{"id": "7", "q": "How much?", "a": "6 mg"}])
    assert identity_of_questions(run) != before


def test_a_source_that_lies_nowhere_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="name its file with --source packaged=PATH"):
        check_sources(pharmacy(tmp_path))


def test_suites_of_two_splits_of_one_dataset_are_both_kept_from_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(hub: Any, split: str, *rest: Any) -> tuple[list[dict[str, Any]], str]:
        return [{"id": split, "q": f"How much of {split}?", "a": "5 mg"}], split

    run = pharmacy(tmp_path, hub={"dataset": "a/b", "split": "train"})
    zoo = {"data": "packaged", "context": "hidden", "baseline": "majority", "metric": "verified"}
    for split in ("validation", "test"):
        suite = SUITE | {"task": split, "output_type": "generate_until"}
        suite["metadata"] = {"version": 1, "zoo": {**zoo, "split": split}}
        (run.domain.folder / "suites" / f"{split}.yaml").write_text(yaml.safe_dump(suite))
    run = job(tmp_path, None, AnnotateSettings(), suites=("validation", "test"))
    monkeypatch.setattr("zoo.questions.hub_rows", rows)
    assert {"How much of validation?", "How much of test?"} <= {i.text for i in exams_of(run).items}
