"""A release measured again: the same scores item for item, or what differs; over a tiny random model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.models import tiny_weights
from tests.steps.test_evaluate import LIMIT, inputs, pubmedqa
from zoo.artifact import Artifact, Workspace, digest_file, finish, pretty, without_paths
from zoo.config import Options
from zoo.errors import RequestError
from zoo.evaluation.released import measure, plan, prepare
from zoo.library import load_domain
from zoo.recipes import load_recipe
from zoo.run import Run, run_step
from zoo.steps.evaluate import STEP
from zoo.steps.release import link_tree

SUITES = "evaluate.suites=[healthcare_exam_open, healthcare_exam_cot]"
SETTINGS = (SUITES, LIMIT, "evaluate.max_generated_tokens=4", "evaluate.bootstrap=200", "evaluate.few_shot=2", "seed=3")


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, Artifact, Path]:
    """What finetune and evaluate left, the latter over two packaged suites and one of a user's file, and that file."""
    root = tmp_path_factory.mktemp("evaluated")
    base = tiny_weights(root / "base").folder
    data = pubmedqa(root / "ours.jsonl", "yynm")
    recipe = load_recipe("laptop", SETTINGS, base=str(base))
    options = Options(settings=SETTINGS, base=str(base), suite_data={"pubmedqa": data})
    done = inputs(root, base)
    run = Run(load_domain("medical"), recipe, options, Workspace(root / "ws"))
    return done["finetune"], run_step(run, STEP, done)[0], data


Rows = list[dict[str, Any]]


def release(
    evaluated: tuple[Artifact, Artifact, Path], folder: Path, items: Callable[[Rows], Any] = lambda rows: None,
    steps: Callable[[dict[str, Any]], Any] = lambda steps: None,
) -> Path:  # fmt: skip
    """A release of these, as the step leaves one; `items` and `steps` may change what it says."""
    finetune, evaluate, _ = evaluated
    link_tree(finetune.path("merged"), folder)
    rows = [json.loads(line) for line in evaluate.path("items.jsonl").read_text().splitlines()]
    items(rows)
    (folder / "items.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows))
    said = {"evaluate": without_paths(evaluate.record)}
    steps(said)
    (folder / "steps.json").write_text(pretty(said))
    result = {"version": folder.name, "gate": "passed", "reasons": []}
    finish(folder, {"step": "release", "domain": "healthcare", "fingerprint": "r", "result": result})
    return folder


def by_suite(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {s["suite"]: s for s in result["suites"]}


def test_the_same_model_has_the_same_scores_item_for_item(evaluated, tmp_path, capsys):
    _, evaluate, data = evaluated
    release(evaluated, tmp_path / "hub" / "clinic" / "tiny" / "0.1.0")
    measuring = prepare("clinic/tiny@0.1.0", Options(workspace=tmp_path, suite_data={"pubmedqa": data}))
    (planned,) = plan(measuring)
    assert planned["suites"] == {"healthcare_exam_open": 4, "healthcare_exam_cot": 3, "pubmedqa": 4}
    assert planned["requests"] == 4 * 4 + 3 + 4 * 3 and not planned["cached"]
    result = measure(measuring)
    assert result["same"] is True and result["other_packages"] == {} and not result["skipped"]
    for found, was in zip(result["suites"], evaluate.result["suites"], strict=True):
        assert {k: found[k] for k in was} == was, "intervals and shares included"
        assert (found["same"], found["other_scores"], found["other_answers"]) == (True, 0, 0)
        assert found["released"] == {k: was[k] for k in ("model", "difference")}
    assert digest_file(Path(result["items"])) == digest_file(evaluate.path("items.jsonl"))
    assert Path(result["files"]["differences"]).read_text() == ""
    assert Path(result["artifact"]).parent == tmp_path / "hub" / "clinic" / "tiny" / "evaluations" / "0.1.0"
    assert "healthcare_exam_open: as on the card, each of 4 items" in capsys.readouterr().err
    assert measure(measuring)["skipped"] and plan(measuring)[0]["cached"]
    assert "as on the card" in capsys.readouterr().err, "what was measured before is shown too"


def test_every_difference_to_the_card_is_named(evaluated, tmp_path, capsys):
    def other(rows: Rows) -> None:
        mine = [r for r in rows if r["suite"] == "healthcare_exam_open" and r["contestant"] == "model"]
        for row in mine[1:3]:
            row.update(score=1 - row["score"], response="another option")

    def on_card(steps: dict[str, Any]) -> None:
        steps["evaluate"]["result"]["suites"][0]["model"] = 0.75
        steps["evaluate"]["packages"]["torch"] = "1.0"

    folder = release(evaluated, tmp_path / "healthcare" / "releases" / "0.1.0", other, on_card)
    options = Options(workspace=tmp_path, suites=("healthcare_exam_open", "healthcare_exam_cot"))
    result = measure(prepare("medical@0.1.0", options))
    found = by_suite(result)["healthcare_exam_open"]
    assert (found["same"], found["other_scores"], found["other_answers"]) == (False, 2, 2)
    assert result["same"] is False and by_suite(result)["healthcare_exam_cot"]["same"] is True
    rows = [json.loads(line) for line in Path(result["files"]["differences"]).read_text().splitlines()]
    recorded = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    assert {r["id"] for r in rows} == {r["id"] for r in recorded if r["response"] == "another option"}
    assert all(r["released"]["score"] == 1 - r["here"]["score"] for r in rows)
    said = capsys.readouterr().err
    assert f"{found['model']:.3f} where the card says 0.750: 2 of 4 items are scored otherwise" in said
    assert "it was released with torch 1.0 (here " in said


def test_items_in_a_users_file_have_to_be_named_again_and_others_are_not_compared(evaluated, tmp_path, capsys):
    release(evaluated, tmp_path / "healthcare" / "releases" / "0.1.0")
    with pytest.raises(RequestError, match=r"the items of ours\.jsonl.*--suite-data pubmedqa=PATH"):
        prepare("medical@0.1.0", Options(workspace=tmp_path))
    other = pubmedqa(tmp_path / "other.jsonl", "yynn")
    options = Options(workspace=tmp_path, suites=("pubmedqa",), suite_data={"pubmedqa": other})
    (found,) = measure(prepare("medical@0.1.0", options))["suites"]
    assert found["same"] is None and found["n"] == 4
    assert found["not_compared"] == "its items (other.jsonl) are not those of the release (ours.jsonl)"
    assert (
        found["baselines"] == {"zero_shot": None, "few_shot": None, "trivial": 0.5} and found["baseline"] == "trivial"
    )
    assert "pubmedqa: the card says" in capsys.readouterr().err


def test_a_suite_that_the_release_was_not_measured_on_is_measured_without_comparison(evaluated, tmp_path):
    def before_it(steps: dict[str, Any]) -> None:
        result = steps["evaluate"]["result"]
        result["suites"] = [s for s in result["suites"] if s["suite"] == "healthcare_exam_open"]

    release(evaluated, tmp_path / "healthcare" / "releases" / "0.1.0", steps=before_it)
    options = Options(workspace=tmp_path, suites=("healthcare_exam_cot", "healthcare_exam_open"))
    result = measure(prepare("medical@0.1.0", options))
    assert list(by_suite(result)) == ["healthcare_exam_cot", "healthcare_exam_open"] and result["same"] is None
    found = by_suite(result)["healthcare_exam_cot"]
    assert (found["released"], found["not_compared"]) == (None, "the release was not measured on it")
    assert found["baselines"]["trivial"] == 0.25 and found["versus_zero_shot"] is None


@pytest.mark.parametrize(
    ("items", "steps", "expected"),
    [
        (lambda rows: rows.pop(0), lambda s: None, "not those that the release has results of"),
        (lambda rows: [r.update(score=1.0) for r in rows if r["contestant"] == "zero_shot"], lambda s: None,
         "3 of those in the release would be scored otherwise"),
        (lambda rows: None, lambda s: s["evaluate"]["identity"].update(prompt="0"), "put in other words here"),
        (lambda rows: None, lambda s: s["evaluate"]["identity"]["suites"]["healthcare_exam_cot"].update(yaml="0"),
         "its definition is another here"),
    ],
)  # fmt: skip
def test_what_is_no_more_the_same_test_is_not_compared(evaluated, tmp_path, items, steps, expected):
    cot = "healthcare_exam_cot"

    def of_the_suite(rows: Rows) -> None:
        rows[:] = [r for r in rows if r["suite"] == cot]
        items(rows)

    release(evaluated, tmp_path / "healthcare" / "releases" / "0.1.0", of_the_suite, steps)
    (found,) = measure(prepare("medical@0.1.0", Options(workspace=tmp_path, suites=(cot,))))["suites"]
    assert found["same"] is None and expected in found["not_compared"]


def zoo(*args: str, workspace: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"
    command = [sys.executable, "-c", code, *args, "--workspace", str(workspace)]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["clinic/absent@0.1.0"], "`zoo pull clinic/absent` fetches it"),
        (["medical@0.1.1"], "did you mean '0.1.0'?"),
        (["medical@"], "names no version after its @"),
        (["medical@0.1.0", "--seed", "1"], "takes no --seed"),
        (["medical@0.1.0", "--set", "evaluate.few_shot=2"], "takes no --set"),
        (["medical@0.1.0", "--source", "pubmedqa=x"], "takes no --source"),
        (["medical@0.1.0", "--teacher-url", "http://127.0.0.1:1"], "takes no --teacher-url"),
        (["medical@0.1.0", "--suite", "healthcare_exm"], "did you mean 'healthcare_exam'?"),
    ],
)
def test_a_wrong_request_is_one_sentence(evaluated, tmp_path, args, said):
    release(evaluated, tmp_path / "healthcare" / "releases" / "0.1.0")
    done = zoo("evaluate", *args, workspace=tmp_path)
    assert done.returncode == 2 and said in done.stderr.strip().splitlines()[-1], done.stderr


def test_a_release_that_was_changed_or_says_nothing_is_refused(evaluated, tmp_path):
    folder = release(evaluated, tmp_path / "healthcare" / "releases" / "0.1.0", steps=lambda steps: steps.clear())
    with pytest.raises(RequestError, match="does not say how it was evaluated"):
        prepare("medical@0.1.0", Options(workspace=tmp_path))
    (folder / "steps.json").write_text("{}")
    with pytest.raises(RequestError, match=r"steps\.json is missing or was changed"):
        prepare("medical@0.1.0", Options(workspace=tmp_path))


def test_the_command_says_it_in_json(evaluated, tmp_path):
    release(evaluated, tmp_path / "healthcare" / "releases" / "0.1.0")
    done = zoo("evaluate", "medical@0.1.0", "--suite", "healthcare_exam_cot", "--json", workspace=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["release"], result["same"]) == ("medical@0.1.0", True)
    assert "as on the card, each of 3 items" in done.stderr
