"""A run: the steps in order, each skipped when its artifact is already there.

A step is a module of `zoo.steps` with a `STEP`. It gets a `Job` and leaves files in `job.folder`; this module alone knows the
order, fingerprints, records, and what is skipped.
"""

from __future__ import annotations

import importlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.artifact import RECORD, WORK, Artifact, Workspace, fingerprint, finish
from zoo.config import Options
from zoo.console import say, tell
from zoo.errors import ReleaseRefused, RequestError, ZooError, unknown
from zoo.lastrun import Track
from zoo.library import Domain, load_domain
from zoo.lock import alone
from zoo.memory import Peak
from zoo.recipes import load_recipe
from zoo.settings import Recipe
from zoo.steplog import step_log
from zoo.strict import Strict, identity_of
from zoo.weights import NotOnDisk, Weights, require_usable, resolve_base, resolve_embedder
from zoo.workspace import require_writable

STEPS = ("ingest", "annotate", "pretrain", "finetune", "evaluate", "release")
_OPTIONAL = {"pretrain"}  # taken into account where a recipe has it, and missed by nobody where it has not


@dataclass(frozen=True)
class Run:
    """One request, checked: the domain, the recipe with every override applied, where things go, and the last step wanted
    (None: the recipe's). Without `fetch`, weights that are not on this disk raise NotOnDisk."""

    domain: Domain
    recipe: Recipe
    options: Options
    workspace: Workspace
    until: str | None = None
    fetch: bool = True

    @cached_property
    def base(self) -> Weights:
        """The base model on this disk; the first use may fetch it."""
        return resolve_base(self.recipe.base, self.workspace.cache, self.options.offline, self.fetch)

    @cached_property
    def embedder(self) -> Weights:
        return resolve_embedder(self.recipe.ingest.embedder, self.workspace.cache, self.options.offline, self.fetch)

    @cached_property
    def local_teacher(self) -> Weights:
        """The base, or the model that is named as a teacher on this machine; its `folder` may be a GGUF file."""
        from zoo.teachers.chosen import resolve_local

        return resolve_local(self)


@dataclass(frozen=True)
class Job:
    """What a step works on. `folder` is where its files go; `work` in it survives a kill and is removed at the end."""

    run: Run
    step: Step
    inputs: dict[str, Artifact]
    folder: Path

    @property
    def domain(self) -> Domain:
        return self.run.domain

    @property
    def options(self) -> Options:
        return self.run.options

    @property
    def settings(self) -> Any:
        """The step's own settings of the recipe."""
        return getattr(self.run.recipe, self.step.name)

    @property
    def work(self) -> Path:
        path = self.folder / WORK
        path.mkdir(parents=True, exist_ok=True)
        return path


def _by_fingerprint(run: Run, step: str, fingerprint: str) -> Path:
    return run.workspace.step(run.domain.name, step, fingerprint)


def _no_more(run: Run) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Step:
    """`needs` are the steps whose artifacts it works on, and `needs_for` those that it works on as well with this request's
    settings. `check` refuses a wrong request before any work of any step; `identity` is all that decides what the step leaves,
    beside its settings and inputs; `plan` says what it would spend, given the inputs that exist; `run` does it and
    returns what is printed. `folder` says where the artifact lies, given the step's name and fingerprint. `version` is
    bumped whenever the same inputs would leave something else."""

    name: str
    version: int
    needs: tuple[str, ...]
    check: Callable[[Run], None]
    identity: Callable[[Run], dict[str, Any]]
    plan: Callable[[Run, dict[str, Artifact]], dict[str, Any]]
    run: Callable[[Job], dict[str, Any]]
    folder: Callable[[Run, str, str], Path] = _by_fingerprint
    needs_for: Callable[[Run], tuple[str, ...]] = _no_more

    def needed(self, run: Run) -> tuple[str, ...]:
        """All steps whose artifacts it works on in this run."""
        return (*self.needs, *self.needs_for(run))


def load_step(name: str) -> Step:
    if name not in STEPS:
        raise unknown("step", name, STEPS)
    step: Step = importlib.import_module(f"zoo.steps.{name}").STEP
    return step


def prepare(domain: str, options: Options, until: str | None = None) -> Run:
    """Everything that can be said to be wrong with a request that goes up to `until` is said here, before any work."""
    for option in ("recipe", "base", "teacher_url", "teacher_model"):
        if getattr(options, option) == "":
            raise RequestError(f"The option --{option.replace('_', '-')} is empty; give it a value, or leave it out.")
    found = load_domain(domain, options.domain_path)
    found.check()
    name = found.config.recipe if options.recipe is None else options.recipe
    recipe = load_recipe(name, options.settings, base=options.base, seed=options.seed)
    return checked(Run(found, recipe, options, Workspace(options.workspace.expanduser().resolve()), until))


def checked(run: Run) -> Run:
    """The request again, where nothing can be said to be wrong with it before any work."""
    recipe = run.recipe
    for name in recipe.steps:
        if name not in STEPS:
            raise unknown(f"step in recipe {recipe.name}", name, STEPS)
    if sorted(recipe.steps, key=STEPS.index) != recipe.steps:
        raise RequestError(f"The recipe {recipe.name} lists its steps out of order; the order is {', '.join(STEPS)}.")
    step_names(run)
    require_writable(run.workspace.root)
    for name in recipe.steps:
        step = load_step(name)
        for needed in step.needed(run):
            if needed not in recipe.steps and needed not in _OPTIONAL:
                raise RequestError(f"The recipe {recipe.name} has {name} without {needed}; add {needed} to its steps.")
        step.check(run)
    require_usable("base", recipe.base)
    require_usable("embedder", recipe.ingest.embedder)
    return run


def step_names(run: Run) -> list[str]:
    """The steps that were asked for. Raises RequestError where the last one is none of the recipe's."""
    names = run.recipe.steps
    if run.until is None:
        return list(names)
    if run.until not in names:
        raise unknown(f"step of recipe {run.recipe.name}", run.until, names)
    return list(names[: names.index(run.until) + 1])


def identity(run: Run, step: Step, inputs: dict[str, Artifact]) -> dict[str, Any]:
    settings: Strict = getattr(run.recipe, step.name)
    return {
        "step": step.name, "version": step.version, "domain": run.domain.name, "seed": run.recipe.seed,
        "settings": identity_of(settings), "inputs": {n: a.content for n, a in inputs.items()}, **step.identity(run),
    }  # fmt: skip


def train(run: Run) -> dict[str, Any]:
    """Runs the steps that were asked for; the last step's result, with `steps` saying what was skipped and what it took."""
    from zoo.again import request_of

    names, recipe = step_names(run), run.recipe.model_dump(mode="json")
    track = Track(run.workspace, run.domain.name, run.domain.config.title, recipe, names, request_of(run))
    done: dict[str, Artifact] = {}
    steps: list[dict[str, Any]] = []
    result: dict[str, Any] = {}
    for name in names:
        began = time.monotonic()
        try:
            artifact, skipped = run_step(run, load_step(name), done)
        except ZooError as e:
            track.failed(name, e)
            if isinstance(e, ReleaseRefused):
                steps.append({"step": name, "skipped": False, "seconds": round(time.monotonic() - began, 1)})
                e.result |= {"artifact": None, "skipped": False, "steps": steps}
            raise
        done[name] = artifact
        result = {**artifact.printed, "artifact": str(artifact.folder), "skipped": skipped}
        steps.append({"step": name, "skipped": skipped, "seconds": round(time.monotonic() - began, 1)})
        if "stopped" in artifact.result:
            steps[-1]["stopped"] = artifact.result["stopped"]
        track.done(name, artifact, skipped, steps[-1]["seconds"])
    track.ended()
    return {**result, "steps": steps}


def run_step(run: Run, step: Step, done: dict[str, Artifact]) -> tuple[Artifact, bool]:
    """The step's artifact, and whether it was there already."""
    inputs = {n: done[n] for n in step.needed(run) if n in done}
    known = identity(run, step, inputs)
    name = fingerprint(known)
    while True:
        folder = step.folder(run, step.name, name)
        artifact = Artifact(folder)
        if artifact.exists and not artifact.damage:
            say(f"{step.name}: already done ({name}), skipped")
            shutil.rmtree(folder / WORK, ignore_errors=True)
            return artifact, True
        with alone(folder / WORK):
            # While this process waited for the folder, another may have finished in it: this step, or another release.
            if step.folder(run, step.name, name) == folder and _clear(Artifact(folder)):
                return _make(Job(run, step, inputs, folder), name, known), False
            shutil.rmtree(folder / WORK)


def _make(job: Job, name: str, known: dict[str, Any]) -> Artifact:
    """Runs the step and leaves its record. Its folder is this process's alone until its work is cleared away too."""
    run, step = job.run, job.step
    started, began, peak = datetime.now(UTC), time.monotonic(), Peak()
    with step_log(job.folder, step.name, run.workspace.root) as log:
        say(f"{step.name}: {name}{', going on after an earlier run' if log.again else ''}")
        result = step.run(job)
        seconds = round(time.monotonic() - began, 2)
        # Its last line: from here on the file has the digest that the record names.
        log.write(done := f"{step.name}: done in {seconds:.0f} s")
    inputs = {n: {"fingerprint": a.record["fingerprint"], "content": a.content} for n, a in job.inputs.items()}
    record = {
        "step": step.name, "domain": run.domain.name, "fingerprint": name, "identity": known,
        "config": getattr(run.recipe, step.name).model_dump(mode="json"), "inputs": inputs, "result": result,
        "seed": run.recipe.seed, "started": started.isoformat(), "ended": datetime.now(UTC).isoformat(),
        "seconds": seconds, "peak_memory_mb": peak.mb, "peak_memory_of": peak.of,
    }  # fmt: skip
    artifact = finish(job.folder, record)
    shutil.rmtree(job.folder / WORK, ignore_errors=True)
    tell(done)
    return artifact


def _clear(artifact: Artifact) -> bool:
    """Whether a step may work where `artifact` would be: nothing is there, or what is there is damaged, which is said."""
    if not artifact.exists:
        return True
    if damage := artifact.damage:
        say(f"  {artifact.folder.name}: {damage}; the step is run again")
        (artifact.folder / RECORD).unlink()
    return bool(damage)


def plan(run: Run) -> list[dict[str, Any]]:
    """For each step what is cached and what it would spend; spends nothing. A step whose inputs do not exist yet has no
    fingerprint, nor has one that needs weights which would have to be fetched; the first such step lists them."""
    run = replace(run, fetch=False)
    done: dict[str, Artifact] = {}
    out: list[dict[str, Any]] = []
    for name in step_names(run):
        step = load_step(name)
        needs = step.needed(run)
        inputs = {n: done[n] for n in needs if n in done}
        entry: dict[str, Any] = {"step": name, "fingerprint": None, "cached": False}
        if len(inputs) == len([n for n in needs if n in run.recipe.steps]):
            try:
                entry["fingerprint"] = fingerprint(identity(run, step, inputs))
                artifact = Artifact(step.folder(run, name, entry["fingerprint"]))
                entry["cached"] = artifact.exists
                if artifact.exists:
                    done[name] = artifact
            except NotOnDisk:
                entry["weights"] = _missing_weights(run)
        if not entry["cached"]:
            entry.update(step.plan(run, inputs))
        out.append(entry)
    return out


def _missing_weights(run: Run) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for role in ("base", "embedder", "local_teacher"):
        try:
            getattr(run, role)
        except NotOnDisk as e:
            if asdict(e.missing) not in out:
                out.append(asdict(e.missing))
    return out


def threads() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
