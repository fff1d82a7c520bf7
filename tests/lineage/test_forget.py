"""What rests on a document is listed, removed from every file, and made again without it, also after a kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.lineage.conftest import Made
from tests.lineage.job import holding, sentence, train
from zoo.api import Document, Example, Rejected
from zoo.artifact import Artifact, Workspace, finish, write_rows
from zoo.cli import app
from zoo.errors import RequestError, ZooError
from zoo.lastrun import Track, read_last
from zoo.lineage import forgetting
from zoo.lineage.forgetting import Forgetting, carry_out, prepare
from zoo.lineage.forgotten import register
from zoo.lock import locked
from zoo.run import Run

TEXT = sentence(1)[:70]
# What the teacher wrote from it, and what a seed says of it.
TRACES = (TEXT, "zalor1 is the first of the three", "of disease1?", "corin1 is kept for those")


def asked(made: Made, name: str = "drugs1.md", rebuild: bool = False, releases: bool = False) -> Forgetting:
    return prepare(made.workspace, made.domain, name, rebuild, releases)


def run(made: Made, *args: str) -> dict[str, Any]:
    place = ("--workspace", str(made.workspace.root), "--domain-path", str(made.domain.folder), "--json")
    done = CliRunner().invoke(app, ["forget", "pharmacy", *args, *place], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def rejected(artifact: Artifact) -> dict[str, str]:
    return {r.id: r.reason for r in artifact.rows("rejected.jsonl", Rejected)}


def test_it_is_listed_and_with_plan_nothing_more(made: Made) -> None:
    held = holding(made.workspace.root, TEXT)
    before = {
        p: p.stat().st_mtime_ns for p in made.workspace.root.rglob("*") if p.is_file() and ".sqlite" not in p.name
    }
    listed = run(made, "drugs1.md", "--plan")
    assert (listed["document"], listed["forgotten"], listed["rebuilt"]) == ("corpus/drugs1.md", False, None)
    assert [listed[n] for n in ("passages", "examples", "rejected", "answers")] == [1, 2, 0, 2]
    assert listed["seeds"] == ["seed-1"] and listed["rebuild"] and not listed["already"]
    assert [a["step"] for a in listed["artifacts"]] == ["finetune", "annotate", "ingest"]
    assert all(a["sure"] for a in listed["artifacts"])
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert holding(made.workspace.root, TEXT) == held and len(held) > 4


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("drug1.md", "There is no document of pharmacy 'drug1.md'; did you mean 'drugs1.md'?"),
        ("zzzzz", "There is no document of pharmacy 'zzzzz'; known: corpus/drugs0.md, corpus/drugs1.md"),
        ("drugs2.md", "2 documents of pharmacy are called 'drugs2.md'; name one: corpus/drugs2.md, corpus/more/drugs2.md."),
    ],
)  # fmt: skip
def test_a_name_that_means_no_document_or_several_is_refused(made: Made, name: str, said: str) -> None:
    if name == "drugs2.md":
        with pytest.raises(RequestError, match="2 documents of pharmacy"):
            asked(made, "drugs2.md")
        assert asked(made, "more/drugs2.md").target.id == "corpus/more/drugs2.md"
        assert asked(made, str(made.root / "corpus" / "more" / "drugs2.md")).target.id == "corpus/more/drugs2.md"
        assert asked(made, "corpus/drugs2.md").target.ids == {"corpus/drugs2.md"}
    with pytest.raises(RequestError) as e:
        asked(made, name)
    assert str(e.value).startswith(said)


def test_it_is_in_no_file_afterwards_and_all_is_made_again_without_it_or_its_copies(made: Made) -> None:
    corpus = made.root / "corpus"
    original = (corpus / "drugs1.md").read_text()
    calls = len(made.teacher.log)
    try:
        (corpus / "same.txt").write_text(original)
        (corpus / "reset.md").write_text(original.replace("\n\n", "\n\n\n").replace(". If", ".  If"))
        done = run(made, "drugs1.md")
    finally:
        for name in ("same.txt", "reset.md"):
            (corpus / name).unlink(missing_ok=True)
    assert done["forgotten"] and [s["skipped"] for s in done["rebuilt"]["steps"]] == [False, False, False]
    assert {t: holding(made.workspace.root, t) for t in TRACES} == {t: [] for t in TRACES}
    assert not any("disease1" in str(e.body) for e in made.teacher.log[calls:])
    steps = {d.step: Artifact(made.home / d.artifact) for d in read_last(made.workspace, "pharmacy").steps}
    left_out = {f"corpus/{name}": "forgotten" for name in ("drugs1.md", "same.txt", "reset.md")}
    assert rejected(steps["ingest"]) == left_out
    assert steps["annotate"].result["cached"] >= 6, "the answers about the other three are in the cache still"
    assert rejected(steps["annotate"]) == {"seed-1": "forgotten"}
    kept = {e.id for e in steps["annotate"].rows("examples.jsonl", Example)}
    assert kept == {"seed-0", *(f"grounded_qa-corpus/{n}#0" for n in ("drugs0.md", "drugs2.md", "more/drugs2.md"))}
    again = run(made, "drugs1.md")
    assert again["already"] and again["rebuilt"] is None
    assert "Drugs" not in (made.home / "forgotten.jsonl").read_text(), "it is known by digests alone"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", range(6))
def test_killed_in_the_middle_the_same_command_finishes(made: Made, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off before the answers go, after them, after each artifact, and once the run is made again."""
    count = 0

    def cut(name: str) -> None:
        whole = getattr(forgetting, name)

        def counted(*args: Any) -> Any:
            nonlocal count
            if count == at:
                raise Killed
            count += 1
            return whole(*args)

        monkeypatch.setattr(forgetting, name, counted)

    for name in ("_erase_answers", "_remove", "_drop"):
        cut(name)
    repeated = []
    monkeypatch.setattr(forgetting, "train_and_report", repeated.append)
    if at == 5:
        monkeypatch.setattr(forgetting, "train_and_report", _killed)
    with pytest.raises(Killed):
        carry_out(asked(made, rebuild=True))
    assert not repeated and not all(r.done for r in register(made.workspace, "pharmacy").rows)
    at = -1
    monkeypatch.setattr(forgetting, "train_and_report", repeated.append)
    found = asked(made, rebuild=True)
    assert not found.since
    carry_out(found)
    assert len(repeated) == 1
    assert {t: holding(made.workspace.root, t) for t in TRACES} == {t: [] for t in TRACES}
    assert asked(made, rebuild=True).since


def _killed(run: Run) -> None:
    """Cut off once the new run has ingest behind it."""
    last = read_last(run.workspace, "pharmacy")
    track = Track(run.workspace, "pharmacy", last.title, last.recipe, last.planned, last.request)
    folder = run.workspace.step("pharmacy", "ingest", "new")
    for name in ("documents.jsonl", "passages.jsonl", "rejected.jsonl"):
        write_rows(folder / name, [])
    record = {"step": "ingest", "fingerprint": "new", "inputs": {}, "ended": "2999", "result": {}}
    track.done("ingest", finish(folder, record), False, 1.0)
    raise Killed


def test_an_unfinished_run_goes_and_a_running_one_keeps_everything(made: Made) -> None:
    work = made.home / "annotate" / ("0" * 16) / "work"
    work.mkdir(parents=True)
    (work / "examples").write_text(json.dumps({"context": TEXT}))
    (made.workspace.root / "logs").mkdir()
    (made.workspace.root / "logs" / "broken.log").write_text(f"ValueError: {sentence(1)}")
    lock, held = locked(work / "lock", wait=False), holding(made.workspace.root, TEXT)
    assert lock and {"logs/broken.log", f"pharmacy/annotate/{'0' * 16}/work/examples"} < set(held)
    with lock, pytest.raises(ZooError, match=r"A running zoo process is working in .* so nothing was removed"):
        carry_out(asked(made))
    assert not register(made.workspace, "pharmacy").rows and holding(made.workspace.root, TEXT) == held
    carry_out(asked(made))
    assert holding(made.workspace.root, TEXT) == [] and not work.parent.exists()


def test_what_cannot_be_asked_for_again_is_said_before_anything_is_removed(made: Made) -> None:
    path = made.home / "run.json"
    last = json.loads(path.read_text())
    path.write_text(json.dumps({**last, "request": {**last["request"], "corpus": [str(made.root / "moved")]}}))
    found, held = asked(made, rebuild=True), holding(made.workspace.root, TEXT)
    with pytest.raises(RequestError, match=r"moved, given as --corpus, does not exist.* --no-rebuild"):
        carry_out(found)
    assert holding(made.workspace.root, TEXT) == held
    path.write_text(json.dumps({k: v for k, v in last.items() if k != "request"}))
    assert "older zoo" in asked(made, rebuild=True).why_not
    assert not asked(made, rebuild=False).why_not


def chained(made: Made, step: str, name: str, of: dict[str, str], ended: str) -> Artifact:
    """An artifact of `step` that was made of others, by their fingerprints."""
    folder = made.home / ("releases" if step == "release" else step) / name
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"0")
    inputs = {n: {"fingerprint": f, "content": "x"} for n, f in of.items()}
    record = {
        "step": step,
        "domain": "pharmacy",
        "fingerprint": f"{step}-{name}",
        "inputs": inputs,
        "ended": ended,
        "result": {},
    }
    return finish(folder, record)


def test_releases_stay_unless_told_otherwise_and_where_they_were_published_is_said(made: Made) -> None:
    finetune = next(made.home.glob("finetune/*"))
    release = chained(made, "release", "0.1.0", {"finetune": finetune.name}, "2999-01-01")
    other = chained(made, "release", "0.2.0", {"finetune": "gone"}, "2999-01-02")
    lost = chained(made, "evaluate", "e" * 16, {"finetune": "gone"}, "2999-01-02")
    (made.home / "published.jsonl").write_text(
        json.dumps({"version": "0.1.0", "repo": "org/name", "commit": "c"}) + "\n"
    )
    shutil.copytree(release.folder, made.workspace.hub / "else" / "where" / "0.3.0")
    listed = run(made, "drugs1.md", "--plan")
    assert listed["releases"] == [
        {"version": "0.2.0", "sure": False, "published": [], "removed": False},
        {"version": "0.1.0", "sure": True, "published": ["else/where@0.3.0", "org/name@0.1.0"], "removed": False},
    ]  # fmt: skip
    assert [a["sure"] for a in listed["artifacts"]] == [False, True, True, True]
    shutil.copytree(made.workspace.root, made.workspace.root.parent / "copy")
    run(made, "drugs1.md", "--no-rebuild")
    assert release.exists and other.exists and not lost.folder.exists()
    copy = Made(made.root, Workspace(made.workspace.root.parent / "copy"), made.models, made.teacher)
    run(copy, "drugs1.md", "--no-rebuild", "--releases")
    assert not list((copy.home / "releases").iterdir())


def test_an_ablations_arms_which_reject_nothing_rest_on_it_too(made: Made) -> None:
    annotate = next(made.home.glob("annotate/*"))
    arm = chained(made, "annotate", "arm", {"annotate": annotate.name}, "2999-01-01")
    shutil.copy(annotate / "examples.jsonl", arm.folder)
    listed = run(made, "drugs1.md", "--no-rebuild")
    assert listed["examples"] == 2 and [a["step"] for a in listed["artifacts"]].count("annotate") == 2
    assert not arm.folder.exists()


def test_where_nothing_was_read_there_is_nothing_to_forget(made: Made, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="this workspace has none of its documents"):
        prepare(Workspace(tmp_path / "new"), made.domain, "drugs1.md", True, False)


def test_what_is_nearly_the_same_and_who_else_has_it_are_named(made: Made) -> None:
    ingest = next(made.home.glob("ingest/*"))
    near = Rejected(
        reason="near-duplicate of corpus/drugs1.md (90% in common)",
        id="corpus/new.md",
        detail={"kept": "corpus/drugs1.md"},
    )
    write_rows(ingest / "rejected.jsonl", [near])
    shutil.copytree(ingest, made.workspace.root / "law" / "ingest" / ingest.name)
    listed = run(made, "drugs1.md", "--plan")
    assert listed["near_duplicates"] == ["corpus/new.md"] and listed["elsewhere"] == ["law"]


def test_what_others_say_too_stays_and_is_told(made: Made) -> None:
    ingest = next(made.home.glob("ingest/*"))
    documents = list(Artifact(ingest).rows("documents.jsonl", Document))
    longer = documents[0].model_copy(
        update={"id": "corpus/all.md", "path": "all.md", "meta": {}, "text": f"{sentence(1)} {TEXT}"}
    )
    write_rows(ingest / "documents.jsonl", [*documents, longer])
    found = asked(made)
    assert found.resting.words.shared > 0.9 and not found.resting.answers, "its answers are about the other one too"
    assert found.target.ids == {"corpus/drugs1.md"}


@pytest.mark.slow
def test_killed_for_good_and_given_again_with_pretraining_it_finishes(whole: Made, tmp_path: Path) -> None:
    """kill -9 at moments spread over the whole command, rebuilding included."""
    recipe, workspace = tmp_path / "recipe.yaml", Workspace(tmp_path / "ws")
    recipe.write_text((whole.root / "recipe.yaml").read_text().replace("- annotate\n", "- annotate\n- pretrain\n"))
    train(whole.root, whole.teacher.url, whole.models, workspace.root, recipe=str(recipe))
    made = Made(whole.root, workspace, whole.models, whole.teacher)
    assert list(made.home.glob("pretrain/*/record.json"))
    code = "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"
    command = [
        sys.executable, "-c", code, "forget", "pharmacy", "drugs1.md", "--workspace", str(workspace.root),
        "--domain-path", str(made.domain.folder), "--json",
    ]  # fmt: skip
    for seconds in (2, 4, 7, 12):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stderr
    assert {t: holding(workspace.root, t) for t in TRACES} == {t: [] for t in TRACES}
    steps = {d.step: Artifact(made.home / d.artifact) for d in read_last(workspace, "pharmacy").steps}
    assert list(steps) == ["ingest", "annotate", "pretrain", "finetune"] and all(a.exists for a in steps.values())
    assert all(r.done for r in register(workspace, "pharmacy").rows)
