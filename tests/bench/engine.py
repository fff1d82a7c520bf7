"""What the benchmarks of the teacher's engine share: a server with a known capacity, prompts, our engine over them, and the
step `annotate` as a process of its own."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.steps import annotate_job
from zoo.artifact import Artifact
from zoo.ask import Ask, Prompt
from zoo.teachers.budget import UNLIMITED, Limits, Outcome, Spend, in_order
from zoo.teachers.cache import Cache, CachedTeacher
from zoo.teachers.chosen import Endpoint
from zoo.teachers.endpoint import EndpointTeacher

ROOT = Path(__file__).resolve().parents[2]
TOKENS, TEMPERATURE = 512, 0.7  # of an answer, as the step asks for it
_FILLER = (
    "Blood pressure and kidney function are measured before the first dose and again after two and six weeks, since the "
    "dose is halved where either has fallen by a third. The tablets are taken in the morning with water; a missed one is "
    "not made up for by two on the next day. Nausea in the first days is common and passes by itself, whereas a rash, a "
    "swollen face or trouble breathing are reasons to stop at once and to see a doctor. Alcohol makes the drowsiness "
    "worse. It is not given in pregnancy, nor to those with a known allergy to it or to a related drug, and its level in "
    "the blood rises with some antibiotics, so that all other medicines are written down at every visit. A letter to the "
    "family doctor names the dose, the day on which it was begun, and who is to be called when something is amiss. "
)


@dataclass
class Slots:
    """A running server; `summary` is its own account, there once it has ended."""

    url: str
    summary: dict[str, Any] = field(default_factory=dict)


@contextmanager
def serving(slots: int, delay: float) -> Iterator[Slots]:
    command = [sys.executable, "-m", "tests.bench.slots_server", str(slots), str(delay)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    server = Slots(f"http://127.0.0.1:{process.stdout.readline().strip()}/v1")
    try:
        yield server
    finally:
        process.terminate()
        server.summary |= json.loads(process.communicate()[0])


def passage(n: int) -> str:
    """1,000 characters, no two the same, which the server knows an answer to."""
    at = n * 7 % len(_FILLER)
    return f"{annotate_job.passage_text(n)} {_FILLER[at:]}{_FILLER[:at]}"[:1000]


class Prompts(Sequence[str]):
    """Made as they are asked for, so that memory is the engine's alone."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, n: Any) -> Any:
        if not 0 <= n < self.count:
            raise IndexError(n)
        return passage(n)


def opened(url: str, cache: Path, concurrency: int) -> CachedTeacher:
    """Our engine: what the step opens for an endpoint."""
    endpoint = EndpointTeacher(Endpoint(url, "scripted"), 120, 5, concurrency, TOKENS)
    return CachedTeacher(endpoint, Cache(cache))


async def drive(teacher: Any, prompts: Sequence[str], concurrency: int, watch: Any = lambda: None) -> int:
    """Asks every prompt the way the step does; the number of answers. `watch` is called after each."""

    answered = 0

    async def work(prompt: str, limits: Limits, second: bool) -> Outcome[bool]:
        ask = Ask(teacher, TOKENS, TEMPERATURE, limits)
        text = await ask.text(Prompt(prompt, "bench", "ask"))
        watch()
        return Outcome(bool(text), ask.spent)

    def done(number: int, prompt: str, outcome: Outcome[bool]) -> None:
        nonlocal answered
        answered += outcome.row

    await in_order(prompts, work, lambda _: Spend(1), UNLIMITED, concurrency, done)
    return answered


def ask_all(
    url: str, cache: Path, prompts: Sequence[str], concurrency: int, watch: Any = lambda: None
) -> CachedTeacher:
    """`drive` in a loop of its own over a cache at `cache`; the closed engine, for its counts."""

    async def run() -> CachedTeacher:
        teacher = opened(url, cache, concurrency)
        try:
            answered = await drive(teacher, prompts, concurrency, watch)
        finally:
            await teacher.close()
        if answered != len(prompts):
            raise SystemExit(f"{len(prompts) - answered} of {len(prompts)} prompts have no answer")
        return teacher

    return asyncio.run(run())


def corpus(root: Path, passages: int) -> Artifact:
    return annotate_job.make(root, passages, text=passage)


def annotate(root: Path, url: str, concurrency: int, *more: str) -> dict[str, Any]:
    """The step over the corpus in `root`, a whole process: what it printed (see `annotate_run`), and its seconds of CPU."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "tests.bench.annotate_run", str(root), url, str(concurrency), *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"annotate failed: {done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**json.loads(done.stdout.splitlines()[-1]), "cpu_s": cpu}
