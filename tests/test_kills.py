"""`kill -9` at any moment of `zoo train`, then the same command: it finishes, redoes nothing that was finished, asks its
teacher nothing twice, and leaves what a run leaves that nobody killed. So it goes after Ctrl-C and SIGTERM, which also
end within two seconds."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
import yaml
from lxml import html

from tests.fakes.runs import Models, contents, finished, records, start, tiny_models
from tests.fakes.teacher import Entry, Reply, ScriptedTeacher, serving
from zoo.artifact import EVENTS, digest_text
from zoo.lastrun import LastRun
from zoo.run import STEPS

pytestmark = pytest.mark.slow
SEED = os.environ.get("KILLS_SEED", "1")
CONCURRENCY, DELAY_S = 4, 0.4
# A reply that the network has taken so shortly before a kill may not have been read yet.
IN_THE_AIR_S = 0.5
FOLDERS = (*STEPS[:-1], "releases")
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
_BEGUN = re.compile(r"(\w+): [0-9a-f]{16}$")


def quoting(body: dict[str, Any], before: int) -> Reply:
    """A question from any passage and the way to its answer, as `grounded_qa` wants them."""
    prompt = body["messages"][0]["content"]
    text = prompt.partition('"""\n')[2].partition('\n"""')[0]
    mark = digest_text(text)[:6]
    quote = " ".join(text.split(" ")[:12])
    answer = (
        "yes"
        if "is yes, no or maybe" in prompt
        else quote
        if "one or two sentences" in prompt
        else " ".join(quote.split()[-4:])
    )
    if "Question:" in prompt:
        steps = [
            {"text": quote, "passage": "1", "quote": quote},
            {"text": f"So it is {quote}", "passage": "", "quote": ""},
        ]
        return Reply(json.dumps({"steps": steps, "answer": answer}), delay=DELAY_S)
    asked = "Is it so that one thing is known" if answer == "yes" else "How is it that one thing is known"
    data = {
        "question": f"{asked} about group {mark} of all?", "quotes": [quote], "answer": answer, "level": "basic",
        "distractors": [f"agent {mark}x", f"agent {mark}y"] if "is multiple choice" in prompt else [],
    }  # fmt: skip
    return Reply(json.dumps(data), delay=DELAY_S)


@dataclass
class Attempt:
    """A run under way: what it said, and when (seconds from its start) each step that it did not skip began."""

    process: subprocess.Popen[str]
    began: float = field(default_factory=time.monotonic)
    said: list[str] = field(default_factory=list)
    steps: dict[str, float] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if (begun := _BEGUN.match(line)) and begun[1] in STEPS:
                self.steps[begun[1]] = time.monotonic() - self.began
            self.done |= {step for step in STEPS if line.startswith(f"{step}: done in ")}

    def since(self, step: str) -> float | None:
        """Seconds since `step`, or where that is done already a later one, began; None before."""
        begun = [at for name, at in self.steps.items() if STEPS.index(name) >= STEPS.index(step)]
        return time.monotonic() - self.began - min(begun) if begun else None

    def reaches(self, step: str, seconds: float, within: bool = False) -> bool:
        """Waits until the run is `seconds` into `step` (`start` is what comes before the first). Where it is faster and
        the step done before that, the moment is the step's end, or if `within` there is none; False without one."""
        while self.process.poll() is None:
            now = time.monotonic() - self.began if step == "start" else self.since(step)
            done = step in self.done
            if (done and not within) or (now is not None and now >= seconds and not done):
                return True
            time.sleep(0.01)
        self._reader.join()
        assert self.process.returncode == 0, "".join(self.said)
        return False

    def end(self, number: signal.Signals) -> tuple[float, str]:
        """Sends the signal, SIGKILL to the whole process group; how long (s) it took to end, and stdout. None of its
        children outlives it."""
        with_it = psutil.Process(self.process.pid).children(recursive=True)
        sent = time.monotonic()
        (os.killpg if number == signal.SIGKILL else os.kill)(self.process.pid, number)
        self.process.wait(60)
        took = time.monotonic() - sent
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        self._reader.join()
        assert not psutil.wait_procs(with_it, timeout=10)[1]
        return took, out


@dataclass(frozen=True)
class Whole:
    """A run that nobody killed, and what it takes to run it again. `lasts`: seconds of each step, and of the start."""

    models: Models
    recipe: Path
    teacher: ScriptedTeacher
    workspace: Path
    lasts: dict[str, float]

    def start(self, workspace: Path, *more: str) -> subprocess.Popen[str]:
        settings = ("annotate.max_calls=60", f"annotate.concurrency={CONCURRENCY}", "pretrain.max_tokens=120000")
        given = [
            x for s in (*settings, "pretrain.checkpoint_every=3", "finetune.max_tokens=90000") for x in ("--set", s)
        ]
        asked = ["--teacher-url", self.teacher.url, "--teacher-model", "scripted", "--recipe", str(self.recipe)]
        return start(self.models, workspace, *given, *asked, *more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    root = tmp_path_factory.mktemp("whole")
    recipe = root / "every-step.yaml"
    recipe.write_text(yaml.safe_dump({"base": "given", "steps": list(STEPS)}))
    with serving(quoting) as teacher:
        made = Whole(tiny_models(root), recipe, teacher, root / "workspace", {})
        attempt = Attempt(made.start(made.workspace))
        assert not attempt.reaches("release", 600, within=True)
        ended = time.monotonic() - attempt.began
        begun = {"start": 0.0, **attempt.steps}
        assert list(begun) == ["start", *STEPS]
        edges = [*begun.values(), ended]
        made.lasts.update({n: b - a for n, a, b in zip(begun, edges[:-1], edges[1:], strict=True)})
        yield made


def test_killed_ten_times_anywhere_the_same_command_finishes_and_leaves_the_same(whole: Whole, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    asked = len(whole.teacher.log)
    moments = drawn(whole.lasts, chance, 10)
    kills: list[tuple[float, str]] = []
    before: list[dict[str, Any]] = []
    for step, seconds in moments:
        attempt = Attempt(whole.start(tmp_path))
        while not attempt.reaches(step, seconds):
            # It was faster this time: the moment comes from a run that finds everything done.
            step, seconds = "start", chance.random() * whole.lasts["start"]
            attempt = Attempt(whole.start(tmp_path))
        attempt.end(signal.SIGKILL)
        kills.append((time.monotonic(), f"{step} +{seconds:.1f} s"))
        before.append(states(tmp_path))
    told = f"seed {SEED}, killed at {', '.join(where for _, where in kills)}"
    result = finished(whole.start(tmp_path))
    same_as(whole, tmp_path, told)
    for state in before:
        assert {n: s for n, s in states(tmp_path).items() if n in state} == state, told
    log = whole.teacher.log[asked:]
    assert repeats(log, [at for at, _ in kills]) == [], told
    assert {messages(e) for e in log} == {messages(e) for e in whole.teacher.log[:asked]}, told
    done = {n.partition("/")[0] for n in before[-1]}
    assert {s["step"] for s in result["steps"] if s["skipped"]} == {STEPS[FOLDERS.index(d)] for d in done}, told


@pytest.mark.parametrize("step", STEPS)
def test_ended_three_times_in_one_step_the_same_command_finishes_it_and_leaves_the_same(
    step: str, whole: Whole, tmp_path: Path
) -> None:
    """By SIGKILL, by Ctrl-C and by SIGTERM; the last two end it within two seconds, and it says how to go on."""
    chance = random.Random(f"{SEED} {step}")
    shutil.copytree(whole.workspace, tmp_path, dirs_exist_ok=True)
    own, *later = (tmp_path / "healthcare" / folder for folder in FOLDERS[STEPS.index(step) :])
    for folder in (own, *later):
        shutil.rmtree(folder)
    before, asked, ends = states(tmp_path), len(whole.teacher.log), []
    told = f"seed {SEED}"
    for number in chance.sample(SIGNALS, len(SIGNALS)):
        seconds = chance.random() * whole.lasts[step]
        attempt = Attempt(whole.start(tmp_path, "--until", step))
        while not attempt.reaches(step, seconds, within=True):
            shutil.rmtree(own)
            seconds /= 2
            attempt = Attempt(whole.start(tmp_path, "--until", step))
        told += f", {number.name} at {step} +{seconds:.1f} s"
        took, out = attempt.end(number)
        ends.append(time.monotonic())
        if number != signal.SIGKILL:
            assert attempt.process.returncode == 130 and took < 2, (
                f"{told}, after {took:.1f} s: {''.join(attempt.said)}"
            )
            assert json.loads(out) == {"error": "interrupted; the same command goes on from here"}, told
            assert attempt.said[-1] == "zoo: interrupted; the same command goes on from here\n", told
    finished(whole.start(tmp_path))
    same_as(whole, tmp_path, told)
    assert {n: s for n, s in states(tmp_path).items() if n in before} == before, told
    assert repeats(whole.teacher.log[asked:], ends) == [], told


def drawn(lasts: dict[str, float], chance: random.Random, n: int) -> list[tuple[str, float]]:
    """`n` moments of a run in their order, each as a step and the seconds into it."""
    found = []
    for moment in sorted(chance.random() * sum(lasts.values()) for _ in range(n)):
        for step, seconds in lasts.items():
            if moment < seconds:
                found.append((step, moment))
                break
            moment -= seconds
    return found


def states(workspace: Path) -> dict[str, Any]:
    """Of every finished artifact each file's bytes (the record) or size, and the time it was written."""
    return {
        name: {
            p.relative_to(record.parent).as_posix(): (
                p.stat().st_mtime_ns,
                p.stat().st_size,
                p == record and p.read_bytes(),
            )
            for p in record.parent.rglob("*")
            if p.is_file() and "work" not in p.relative_to(record.parent).parts
        }
        for name, record in records(workspace).items()
    }


def messages(entry: Entry) -> str:
    return json.dumps(entry.body, sort_keys=True)


def repeats(log: list[Entry], kills: list[float]) -> list[str]:
    """What was asked again though its answer had arrived before a kill, or beyond what can have been in the air."""
    wrong, again = [], dict.fromkeys(kills, 0)
    last: dict[str, Entry] = {}
    for entry in log:
        if known := last.get(messages(entry)):
            lost = [
                k for k in kills if known.at <= k < entry.at and (not known.done or known.answered > k - IN_THE_AIR_S)
            ]
            if lost:
                again[lost[0]] += 1
            else:
                wrong.append(f"asked again {entry.at - known.answered:.1f} s after its answer: {messages(entry)}")
        last[messages(entry)] = entry
    return wrong + [f"{n} requests were lost at one kill" for n in again.values() if n > CONCURRENCY]


def same_as(whole: Whole, workspace: Path, told: str) -> None:
    """The artifacts' contents, one release, the report, and nothing left over of what was killed."""
    assert contents(workspace) == contents(whole.workspace), told
    assert released(workspace) == released(whole.workspace), told
    assert sorted(p.name for p in (workspace / "healthcare" / "releases").iterdir()) == ["0.1.0"], told
    run = LastRun.model_validate_json((workspace / "healthcare" / "run.json").read_bytes())
    assert run.ended and [s.step for s in run.steps] == list(STEPS) and not run.failed, told
    page = html.parse(workspace / "healthcare" / "report.html").getroot()
    assert "against the gate's advice" in page.get_element_by_id("verdict").text_content(), told
    assert names(workspace) == names(whole.workspace), told


def released(workspace: Path) -> dict[str, str]:
    """The release's files by digest, but for those that name times."""
    record = json.loads((workspace / "healthcare" / "releases" / "0.1.0" / "record.json").read_bytes())
    return {n: f["sha256"] for n, f in record["files"].items() if n not in {"steps.json", "release.log"}}


def names(workspace: Path) -> list[str]:
    # Files of TensorBoard's events are named by their time, and a run that goes on begins another.
    found = (p for p in workspace.rglob("*") if p.parent.name != EVENTS)
    return sorted(p.relative_to(workspace).as_posix() for p in found)
