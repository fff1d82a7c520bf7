"""The step over a tiny random model: what it leaves, what it says, and that a killed run goes on."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.models import tiny_weights
from zoo.api import Example, Rejected
from zoo.artifact import Artifact, Workspace, fingerprint, finish, write_rows
from zoo.config import Options
from zoo.errors import RequestError
from zoo.library import load_domain
from zoo.recipes import load_recipe
from zoo.run import Run, identity, run_step
from zoo.steps import evaluate
from zoo.steps.evaluate import STEP

LIMIT = "evaluate.limit={healthcare_exam: 4, healthcare_exam_open: 4, healthcare_exam_cot: 3, general: 5, pubmedqa: 6}"
SMALL = (LIMIT, "evaluate.max_generated_tokens=4", "evaluate.bootstrap=200", "evaluate.few_shot=2")
EXAM = len((load_domain("medical").folder / "exam.jsonl").read_text().splitlines())
CHOICES = ["healthcare_exam", "healthcare_exam_open", "healthcare_exam_cot", "general"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError(f"a test reached for the network: {args[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    tiny_weights(folder)
    return folder


def pubmedqa(path: Path, answers: str) -> Path:
    says = {"y": "yes", "n": "no", "m": "maybe"}
    rows = [
        {"pmid": str(n), "QUESTION": f"Q{n}?", "CONTEXTS": ["c"], "final_decision": says[a], "LONG_ANSWER": "l"}
        for n, a in enumerate(answers)
    ]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def example(n: int, kind: Any, answer: str, choices: list[str]) -> Example:
    return Example(
        id=f"e{n}", kind=kind, question=f"E{n}?", context="A passage.", choices=choices, reasoning="It says so.",
        answer=answer, origin="person", source="sample", licence="Apache-2.0",
    )  # fmt: skip


def inputs(root: Path, base: Path) -> dict[str, Artifact]:
    """What annotate and finetune leave: a few examples, and the base itself as the model."""
    annotate, finetune = root / "annotate", root / "finetune"
    rows = [example(n, "choice", "b", ["a", "b"]) for n in range(4)]
    write_rows(
        annotate / "examples.jsonl",
        [*rows, *(example(n, "yes_no_maybe", a, []) for n, a in enumerate(("yes", "no"), 4))],
    )
    (finetune / "merged").mkdir(parents=True)
    for file in base.iterdir():
        (finetune / "merged" / file.name).write_bytes(file.read_bytes())
    about = {"fingerprint": "0", "result": {}}
    return {"annotate": finish(annotate, about), "finetune": finish(finetune, about)}


def a_run(tmp_path: Path, base: Path, settings: tuple[str, ...] = SMALL, **options: Any) -> Run:
    given = Options(settings=settings, base=str(base), **options)
    recipe = load_recipe("laptop", settings, base=str(base))
    return Run(load_domain("medical"), recipe, given, Workspace(tmp_path / "ws"))


def test_what_it_leaves(tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = pubmedqa(tmp_path / "p.jsonl", "yyyynm")
    with data.open("a") as f:
        f.write('{"pmid": "9", "QUESTION": "Q9?", "CONTEXTS": [], "final_decision": "perhaps", "LONG_ANSWER": ""}\n')
    run = a_run(tmp_path, base, suite_data={"pubmedqa": data})
    STEP.check(run)
    done = inputs(tmp_path, base)
    artifact, _ = run_step(run, STEP, done)
    result = artifact.result
    by_id = {s["suite"]: s for s in result["suites"]}
    assert list(by_id) == [*CHOICES, "pubmedqa"]
    for found in by_id.values():
        # The model is the base: no difference, on the same items.
        assert found["versus_zero_shot"] == {"value": 0.0, "low": 0.0, "high": 0.0}
        assert found["model"] == found["baselines"]["zero_shot"]
        assert set(found["baselines"]) == {"zero_shot", "few_shot", "trivial"}
    assert by_id["healthcare_exam"]["n"] == 4 and by_id["healthcare_exam"]["of"] == EXAM
    assert by_id["healthcare_exam_cot"]["baselines"]["few_shot"] is None
    assert by_id["general"]["baselines"]["few_shot"] is not None
    assert by_id["pubmedqa"]["baselines"]["trivial"] == pytest.approx(4 / 6, abs=1e-6)
    items = [json.loads(line) for line in artifact.path("items.jsonl").read_text().splitlines()]
    per = {(i["suite"], i["contestant"]) for i in items}
    assert len(items) == 4 * 4 + 4 * 4 + 3 * 3 + 5 * 4 + 6 * 4 and ("healthcare_exam_cot", "few_shot") not in per
    assert {i["id"] for i in items if i["suite"] == "pubmedqa"} == {f"pubmedqa-{n}" for n in range(6)}
    assert json.loads(artifact.path("scores.json").read_text()) == result["suites"]
    (rejected,) = artifact.rows("rejected.jsonl", Rejected)
    assert (rejected.path, rejected.reason) == ("p.jsonl", "gold is not yes, no or maybe")
    assert by_id["pubmedqa"]["items_from"] == "p.jsonl"
    native = json.loads(artifact.path("suites/pubmedqa.json").read_text())
    assert native["model"]["results"]["pubmedqa"]["acc,none"] == pytest.approx(by_id["pubmedqa"]["model"], abs=1e-6)
    said = capsys.readouterr()
    assert f"healthcare_exam: 4 of its {EXAM} items" in said.err and not said.out
    assert re.search(r"^  1/14 healthcare_exam, zero-shot: 4 of 4 in .* questions/s$", said.err, re.M), said.err
    assert result["items"] == "items.jsonl"
    text = json.dumps([native, items, artifact.record])
    assert str(tmp_path) not in text
    assert run_step(run, STEP, done)[1]


def test_a_killed_run_goes_on(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    measure = evaluate.measure

    def stops_at_third(student: Any, suite: Any, questions: Any, shots: Any, who: str, *rest: Any) -> Any:
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append((suite.id, who))
        return measure(student, suite, questions, shots, who, *rest)

    run, done = a_run(tmp_path, base), inputs(tmp_path, base)
    monkeypatch.setattr(evaluate, "measure", stops_at_third)
    with pytest.raises(KeyboardInterrupt):
        run_step(run, STEP, done)
    again: list[tuple[str, str]] = []
    monkeypatch.setattr(evaluate, "measure", lambda *a: again.append((a[1].id, a[4])) or measure(*a))
    killed, _ = run_step(run, STEP, done)
    assert len(asked) == 3 and not set(asked) & set(again) and len(again) == 4 + 3 + 4 - 3
    whole, _ = run_step(a_run(tmp_path / "other", base), STEP, done)
    assert killed.content == whole.content


def test_what_decides_it(tmp_path: Path, base: Path) -> None:
    done = inputs(tmp_path, base)

    def mark(*settings: str, **options: Any) -> str:
        return fingerprint(identity(a_run(tmp_path, base, settings, **options), STEP, done))

    one = pubmedqa(tmp_path / "one.jsonl", "yn")
    same = pubmedqa(tmp_path / "same.jsonl", "yn")
    other = pubmedqa(tmp_path / "other.jsonl", "yy")
    assert mark(suite_data={"pubmedqa": one}) == mark(suite_data={"pubmedqa": same})
    assert mark(suite_data={"pubmedqa": one}) != mark(suite_data={"pubmedqa": other}) != mark()
    assert mark("evaluate.batch_size=2") == mark() != mark("evaluate.few_shot=1")


def test_the_plan_counts_items_and_requests(tmp_path: Path, base: Path) -> None:
    planned = STEP.plan(a_run(tmp_path, base, suites=("medmcqa",)), {})
    assert planned["suites"] == {
        "healthcare_exam": 4, "healthcare_exam_open": 4, "healthcare_exam_cot": 3, "general": 5, "medmcqa": None,
    }  # fmt: skip
    assert planned["requests"] == 3 * 16 + 3 * 16 + 2 * 3 + 3 * 20


def test_the_suite_that_decides_has_the_base_with_shots_too(tmp_path: Path, base: Path) -> None:
    rows = [{"File": f"{n}.txt", "CHQ": f"It itches {n}. Why?", "Summary": f"Why {n}?"} for n in range(3)]
    data = tmp_path / "m.jsonl"
    data.write_text("".join(json.dumps(r) + "\n" for r in rows))

    done = inputs(tmp_path, base)

    def planned(*settings: str) -> tuple[float, str]:
        """Contestants that are asked, and the fingerprint."""
        run = a_run(tmp_path, base, ("evaluate.suites=[]", *settings), suite_data={"meqsum": data})
        return STEP.plan(run, {})["requests"] / len(rows), fingerprint(identity(run, STEP, done))

    (decides, one), (does_not, other) = planned(), planned("release.suite=general")
    assert (decides, does_not) == (3, 2) and one != other


def test_what_it_refuses(tmp_path: Path, base: Path) -> None:
    with pytest.raises(RequestError, match="--suite-data mts_dialog=PATH"):
        STEP.check(a_run(tmp_path, base, suites=("mts_dialog",)))
    with pytest.raises(RequestError, match="No suite of healthcare is chosen"):
        STEP.check(a_run(tmp_path, base, ("evaluate.suites=[]",)))
