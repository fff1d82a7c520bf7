"""A released model measured again, on this machine: on its release's items at its settings, and held against its card.

Only the model is asked. What the baselines answered to each item is in the release, so that the paired differences are
those of the card wherever the items are the same; where they are not, that is said and nothing is compared.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from zoo.artifact import Artifact, Workspace, fingerprint, packages, pretty, write_atomic, write_rows
from zoo.config import Options
from zoo.console import say
from zoo.errors import RequestError, unknown
from zoo.evaluation.contestants import MODEL, TRIVIAL, Outcome
from zoo.evaluation.recorded import Recorded, comparison, differing, obstacles, read_recorded, recorded_items, verdict
from zoo.evaluation.report import table
from zoo.evaluation.suites import Suite
from zoo.library import load_domain
from zoo.releases import find_release
from zoo.run import Job, Run, Step, identity, run_step
from zoo.settings import EvaluateSettings, Recipe
from zoo.steps import evaluate
from zoo.strict import validated
from zoo.workspace import require_writable

_DECIDING = ("srm-zoo", "torch", "transformers", "tokenizers", "lm-eval")  # packages that a score may rest on
_TAKEN = {"workspace", "suites", "suite_data", "offline", "domain_path"}


@dataclass(frozen=True)
class Measuring:
    """A release that is to be measured. `name` is NAME@VERSION; `run` has its settings and the suites chosen."""

    name: str
    release: Artifact
    recorded: Recorded
    run: Run

    @property
    def step(self) -> Step:
        return Step(
            name="evaluate", version=1, needs=("release",), check=evaluate.check, identity=_identity,
            plan=lambda run, inputs: evaluate.amount(run, lambda suite, items: 1), folder=self._place,
            run=lambda job: _measure(self, job),
        )  # fmt: skip

    def _place(self, run: Run, step: str, fingerprint: str) -> Path:
        """Beside the release, which never changes itself."""
        folder = self.release.folder
        return folder.parent / "evaluations" / folder.name / fingerprint


def prepare(reference: str, options: Options) -> Measuring:
    """What is wrong with a request to measure the release `reference` is said here, before any work.

    `options.suites` names the suites to measure, else they are the release's; those of `options.suite_data` are added.
    """
    for option, value in asdict(options).items():
        if option not in _TAKEN and value != asdict(Options())[option]:
            name = {"sources": "source", "settings": "set"}.get(option, option).replace("_", "-")
            raise RequestError(
                f"A release is measured at its own settings, so `zoo evaluate {reference}` takes no --{name}; leave it out."
            )
    workspace = Workspace(options.workspace.expanduser().resolve())
    name, version, release = find_release(workspace, reference, options.domain_path)
    domain = load_domain(name, options.domain_path)
    domain.check()
    if changed := release.changed_files():
        raise RequestError(
            f"{reference}: {changed[0]} is missing or was changed since the release; release it anew, or pull it again."
        )
    recorded = read_recorded(release, reference)
    chosen = list(options.suites or recorded.scores)
    for wanted in [*chosen, *options.suite_data]:
        if wanted not in domain.suite_ids:
            raise unknown(f"suite of {domain.name}", wanted, domain.suite_ids)
    settings = validated(EvaluateSettings, recorded.config, f"the evaluate settings of {reference}")
    limit = {k: v for k, v in settings.limit.items() if k in domain.suite_ids}
    # Shots are the base's, which is not asked.
    settings = settings.model_copy(update={"suites": chosen, "limit": limit, "few_shot": 0})
    recipe = Recipe(name=reference, base=str(release.folder), seed=recorded.seed, steps=["evaluate"], evaluate=settings)
    run = Run(domain, recipe, replace(options, suites=()), workspace)
    named = f"{reference.partition('@')[0]}@{version}"
    for suite in evaluate.suites_of(run):
        _require_file(named, suite, run, recorded)
    evaluate.check(run)
    require_writable(workspace.root)
    return Measuring(named, release, recorded, run)


def measure(measuring: Measuring) -> dict[str, Any]:
    """What `zoo evaluate NAME@VERSION` prints; a measurement that was made on this machine already is skipped."""
    artifact, skipped = run_step(measuring.run, measuring.step, {"release": measuring.release})
    if skipped:
        _show(artifact.result)
    return {**artifact.printed, "artifact": str(artifact.folder), "skipped": skipped}


def plan(measuring: Measuring) -> list[dict[str, Any]]:
    """What `measure` would do, as `zoo evaluate DOMAIN --plan` has it."""
    step, run = measuring.step, measuring.run
    mark = fingerprint(identity(run, step, {"release": measuring.release}))
    entry = {"step": step.name, "fingerprint": mark, "cached": Artifact(step.folder(run, step.name, mark)).exists}
    return [entry if entry["cached"] else {**entry, **step.plan(run, {})}]


def _require_file(name: str, suite: Suite, run: Run, recorded: Recorded) -> None:
    """Refuses to take other items for those of a file that the maker of the release named."""
    was = recorded.scores.get(suite.id)
    if was is None or suite.file(run) != suite.packaged:
        return
    if suite.packaged is None:
        hub = suite.domain.source(suite.meta.data).hub
        own = hub is not None and was.items_from.startswith(f"{hub.dataset}@")
    else:
        own = was.items_from == suite.packaged.name
    if not own:
        raise RequestError(
            f"{name} was measured on {suite.id} with the items of {was.items_from}, a file that is not in the release; name "
            f"it with --suite-data {suite.id}=PATH, or name the suites to measure with --suite."
        )


def _identity(run: Run) -> dict[str, Any]:
    """A measurement is of this machine: its device and packages count."""
    here = packages()
    return {**evaluate.asked_of_all(run), "device": _device(), "packages": {n: here.get(n) for n in _DECIDING}}


def _device() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def _measure(measuring: Measuring, job: Job) -> dict[str, Any]:
    recorded, state = measuring.recorded, evaluate.Table(job, (), (MODEL,))
    then = recorded_items(measuring.release)
    state.measure(measuring.release.folder, (MODEL,))
    outcomes: dict[str, dict[str, Outcome]] = {}
    compared: dict[str, dict[str, Any]] = {}
    differences: list[dict[str, Any]] = []
    for suite in state.suites:
        model = state.measured(suite, MODEL)
        assert model is not None
        old = then.get(suite.id, {})
        origin = state.loaded[suite.id].origin
        why_not = next(obstacles(recorded, suite, job.run, origin, state.items[suite.id], old), "")
        # In the order of the release, so that the same results are the same file.
        kept = {TRIVIAL: state.trivial(suite)} if why_not else {who: Outcome(items, {}) for who, items in old.items()}
        outcomes[suite.id] = {**kept, MODEL: model}
        compared[suite.id] = comparison(recorded, suite.id, why_not, old.get(MODEL, []), model.items)
        if not why_not:
            differences += differing(old[MODEL], model.items)
    results = [{**r, **compared[r["suite"]]} for r in state.leave(outcomes)]
    write_atomic(job.folder / "scores.json", pretty(results))
    write_rows(job.folder / "differences.jsonl", differences)
    verdicts = [r["same"] for r in results]
    here = packages()
    others = {n: [recorded.packages.get(n), here.get(n)] for n in _DECIDING if recorded.packages.get(n) != here.get(n)}
    result = {
        "release": measuring.name, "domain": job.domain.name, "suites": results,
        "same": None if None in verdicts and False not in verdicts else all(verdicts), "other_packages": others,
        "device": _device(),
        "items": "items.jsonl", "files": {"differences": "differences.jsonl"},
    }  # fmt: skip
    _show(result)
    return result


def _show(result: dict[str, Any]) -> None:
    for line in table(result["suites"]):
        say(line)
    for s in result["suites"]:
        say(f"  {s['suite']}: {verdict(s)}")
    if result["same"] is not True and (others := result["other_packages"]):
        listed = ", ".join(f"{n} {then or 'not known'} (here {here})" for n, (then, here) in others.items())
        say(f"  it was released with {listed}")
