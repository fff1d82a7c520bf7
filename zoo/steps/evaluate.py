"""evaluate: the base (zero-shot, few-shot), a trivial answer and the model on the same items of every suite."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zoo import verifiers
from zoo.api import Example, Question
from zoo.artifact import Artifact, digest_file, digest_text, pretty, write_atomic, write_rows
from zoo.console import say
from zoo.errors import RequestError
from zoo.evaluation.baselines import trivial
from zoo.evaluation.contestants import (
    FEW_SHOT,
    MODEL,
    TRIVIAL,
    ZERO_SHOT,
    Item,
    Journal,
    Outcome,
    choose_shots,
    measure,
    wants_shots,
)
from zoo.evaluation.report import summarise, table
from zoo.evaluation.suites import Suite, load_suite, split_items, suite_ids
from zoo.gate import gate_suite
from zoo.library import digest_files
from zoo.prompting import offered, template_path
from zoo.questions import Items
from zoo.run import Job, Run, Step
from zoo.settings import EvaluateSettings

START_S, SCORED_S, WRITTEN_S = 15.0, 0.18, 0.65  # 135M parameters on two CPU cores; for the plan only


def suites_of(run: Run) -> list[Suite]:
    return [load_suite(run.domain, i) for i in suite_ids(run)]


def check(run: Run) -> None:
    if not (suites := suites_of(run)):
        raise RequestError(f"No suite of {run.domain.name} is chosen; name one with --suite.")
    for suite in suites:
        suite.check(run)


def identity(run: Run) -> dict[str, Any]:
    decides = [s.id for s in suites_of(run) if s.generates and s.id == gate_suite(run)]
    return {**asked_of_all(run), "base": run.base.digest, "decides": decides}


def asked_of_all(run: Run) -> dict[str, Any]:
    """Digests of what decides the items, how they are put and how answers are judged, whoever is measured."""
    suites = {s.id: {"yaml": digest_file(s.path), "items": s.data_identity(run)} for s in suites_of(run)}
    prompt = digest_file(template_path(run.domain))
    general = Path(verifiers.__file__).parent
    judges = [run.domain.code_digest, digest_files(general, general.glob("*.py")), run.domain.config.verifiers]
    return {"suites": suites, "prompt": prompt, "verifiers": judges}


def plan(run: Run, inputs: dict[str, Artifact]) -> dict[str, Any]:
    settings = run.recipe.evaluate

    def contestants(suite: Suite, items: list[Question]) -> int:
        return 3 if wants_shots(suite, items, settings, suite.id == gate_suite(run)) else 2

    return amount(run, contestants)


def amount(run: Run, contestants: Callable[[Suite, list[Question]], int]) -> dict[str, Any]:
    """Items, requests (likelihoods or answers asked of a model) and seconds for so many contestants a suite; None for
    suites whose items are on the Hub, which are in no sum."""
    counts: dict[str, int | None] = {}
    requests, seconds = 0, START_S
    for suite in suites_of(run):
        if suite.file(run) is None:
            counts[suite.id] = None
            continue
        questions, _ = split_items(
            suite, suite.questions(run), run.recipe.evaluate.limit.get(suite.id), run.recipe.seed
        )
        counts[suite.id] = len(questions)
        times = contestants(suite, questions)
        requests += times * sum(1 if suite.generates else len(offered(q)) for q in questions)
        seconds += times * len(questions) * (WRITTEN_S if suite.generates else SCORED_S)
    note = "rough: as 135M parameters are scored on 2 CPU cores"
    return {"suites": counts, "requests": requests, "seconds": round(seconds), "note": note}


def _shots(n: int) -> str:
    return f" ({n} shot{'s' if n > 1 else ''})" if n else ""


class Table:
    """The suites with their items and shots (chosen among held-out items, else `examples`), and what has been measured
    so far of the `contestants`."""

    def __init__(
        self, job: Job, examples: Iterable[Example], contestants: tuple[str, ...] = (ZERO_SHOT, FEW_SHOT, MODEL)
    ) -> None:
        self.job = job
        self.settings: EvaluateSettings = job.settings
        self.contestants = contestants
        self.journal = Journal(job.work / "journal")
        self.suites = suites_of(job.run)
        self.items: dict[str, list[Question]] = {}
        self.shots: dict[str, list[Question]] = {}
        self.loaded: dict[str, Items] = {}
        self.sizes: dict[str, int] = {}
        known = list(examples)
        for suite in self.suites:
            self._prepare(suite, known)

    def _prepare(self, suite: Suite, examples: list[Example]) -> None:
        seed = self.job.run.recipe.seed
        self.loaded[suite.id] = suite.load(self.job.run)
        every = self.loaded[suite.id].questions
        items, held = split_items(suite, every, self.settings.limit.get(suite.id), seed)
        self.items[suite.id], self.sizes[suite.id] = items, len(every) - len(held)
        if rejected := self.loaded[suite.id].rejected:
            say(f"  {suite.id}: {len(rejected)} rows cannot be items, for example: {rejected[0].reason}")
        if len(items) < self.sizes[suite.id]:
            say(f"  {suite.id}: {len(items)} of its {self.sizes[suite.id]} items, as limit says")
        self.shots[suite.id] = []
        if wants_shots(suite, items, self.settings, suite.id == gate_suite(self.job.run)):
            self.shots[suite.id] = choose_shots(suite, items, held, examples, self.settings.few_shot, seed)
            if not self.shots[suite.id]:
                say(f"  {suite.id}: no example can be a shot, so the base is measured without any")

    def missing(self, contestant: str) -> list[Suite]:
        wanted = [s for s in self.suites if contestant != FEW_SHOT or self.shots[s.id]]
        return [s for s in wanted if self.journal.read(s.id, contestant) is None]

    def measure(self, folder: Path, contestants: tuple[str, ...]) -> None:
        """Measures what is missing of the weights in `folder`."""
        if not any(self.missing(c) for c in contestants):
            return
        from zoo.evaluation.model import load_student

        student = load_student(folder, self.settings.batch_size)
        for contestant in contestants:
            for suite in self.missing(contestant):
                shots = self.shots[suite.id] if contestant == FEW_SHOT else []
                student.about = self._about(suite, contestant, len(shots))
                limit = self.settings.max_generated_tokens
                outcome = measure(student, suite, self.items[suite.id], shots, contestant, self.job.work, limit)
                self.journal.write(suite.id, contestant, outcome)
        del student
        gc.collect()

    def _about(self, suite: Suite, contestant: str, shots: int) -> str:
        """What is measured, and which of all measurements it is: `3/11 general, few-shot (4 shots)`."""
        every = [(c, s.id) for c in self.contestants for s in self.suites if c != FEW_SHOT or self.shots[s.id]]
        at = every.index((contestant, suite.id)) + 1
        return f"{at}/{len(every)} {suite.id}, {contestant.replace('_', '-')}{_shots(shots)}"

    def measured(self, suite: Suite, contestant: str) -> Outcome | None:
        return self.journal.read(suite.id, contestant)

    def trivial(self, suite: Suite) -> Outcome:
        questions = self.items[suite.id]
        rows = [
            Item(suite.id, q.id, TRIVIAL, points, said, said, q.gold)
            for q, (said, points) in zip(questions, trivial(suite, questions), strict=True)
        ]
        return Outcome(rows, {})

    def leave(self, outcomes: dict[str, dict[str, Outcome]]) -> list[dict[str, Any]]:
        """Writes every result of every item and lm-eval's own, given the outcomes by suite and contestant; each suite's
        entry in the result."""
        folder, seed = self.job.folder, self.job.run.recipe.seed
        results: list[dict[str, Any]] = []
        rows: list[dict[str, Any]] = []
        for suite in self.suites:
            found = outcomes[suite.id]
            draws = int(digest_text(f"{seed} {suite.id}")[:8], 16)
            paired = {who: o.items for who, o in found.items()}
            said = summarise(suite, self.items[suite.id], self.sizes[suite.id], paired, self.settings, draws)
            results.append({**said, "items_from": self.loaded[suite.id].origin})
            rows += [asdict(item) for o in found.values() for item in o.items]
            native = {who: o.native for who, o in found.items() if o.native}
            write_atomic(folder / "suites" / f"{suite.id}.json", pretty(native))
        write_rows(folder / "items.jsonl", rows)
        rejected = {(r.path, r.id): r for loaded in self.loaded.values() for r in loaded.rejected}
        write_rows(folder / "rejected.jsonl", rejected.values())
        return results


def run(job: Job) -> dict[str, Any]:
    state = Table(job, job.inputs["annotate"].rows("examples.jsonl", Example))
    state.measure(job.run.base.folder, (ZERO_SHOT, FEW_SHOT))
    state.measure(job.inputs["finetune"].path("merged"), (MODEL,))
    outcomes: dict[str, dict[str, Outcome]] = {}
    for suite in state.suites:
        found = {who: state.measured(suite, who) for who in (ZERO_SHOT, FEW_SHOT)}
        found |= {TRIVIAL: state.trivial(suite), MODEL: state.measured(suite, MODEL)}
        outcomes[suite.id] = {who: o for who, o in found.items() if o}
    results = state.leave(outcomes)
    write_atomic(job.folder / "scores.json", pretty(results))
    for line in table(results):
        say(line)
    return {"suites": results, "items": "items.jsonl"}


STEP = Step("evaluate", 4, ("annotate", "finetune"), check, identity, plan, run)
