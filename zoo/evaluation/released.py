"""A released model measured again, on this machine: on its release's items at its settings, and held against its card.

Only the model is asked. What the baselines answered to each item is in the release, so that the paired differences are
those of the card wherever the items are the same; where they are not, that is said and nothing is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from zoo.api import Question
from zoo.artifact import Artifact, Workspace, fingerprint, packages, pretty, write_atomic, write_rows
from zoo.config import EvaluateSettings, Options, Recipe
from zoo.console import say
from zoo.errors import RequestError, unknown
from zoo.evaluation.contestants import MODEL, TRIVIAL, Item, Outcome
from zoo.evaluation.definition import OWN
from zoo.evaluation.metrics import score
from zoo.evaluation.report import table
from zoo.evaluation.suites import Suite
from zoo.library import load_domain
from zoo.releases import find_release
from zoo.run import Job, Run, Step, identity, run_step
from zoo.steps import evaluate
from zoo.strict import validated
from zoo.workspace import require_writable

_DECIDING = ("srm-zoo", "torch", "transformers", "tokenizers", "lm-eval")  # packages that a score may rest on
_TAKEN = {"workspace", "suites", "suite_data", "offline", "domain_path"}
_ITEM = TypeAdapter(Item)


class _Digests(BaseModel):
    yaml: str
    items: str


class _Identity(BaseModel):
    suites: dict[str, _Digests]
    prompt: str


class _Score(BaseModel):
    suite: str
    items_from: str
    model: float
    difference: dict[str, float]


class _Result(BaseModel):
    suites: list[_Score]


class Recorded(BaseModel):
    """What of the record of a release's evaluate step must be there, whoever wrote it."""

    seed: int
    config: dict[str, Any]
    identity: _Identity
    result: _Result
    packages: dict[str, str]

    @property
    def scores(self) -> dict[str, _Score]:
        return {s.suite: s for s in self.result.suites}


class _Steps(BaseModel):
    evaluate: Recorded


class _Record(BaseModel):
    fingerprint: str


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
    recorded = _recorded(release, reference)
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


def _recorded(release: Artifact, reference: str) -> Recorded:
    try:
        _Record.model_validate(release.record)
        return _Steps.model_validate_json(release.path("steps.json").read_bytes()).evaluate
    except (OSError, ValidationError) as e:
        raise RequestError(
            f"{reference} does not say how it was evaluated (its steps.json cannot be read as this zoo's), so it cannot be "
            "measured again; release it anew."
        ) from e


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
    then = _recorded_items(measuring.release)
    state.measure(measuring.release.folder, (MODEL,))
    outcomes: dict[str, dict[str, Outcome]] = {}
    compared: dict[str, dict[str, Any]] = {}
    differences: list[dict[str, Any]] = []
    for suite in state.suites:
        model = state.measured(suite, MODEL)
        assert model is not None
        old = then.get(suite.id, {})
        origin = state.loaded[suite.id].origin
        why_not = next(_obstacles(recorded, suite, job.run, origin, state.items[suite.id], old), "")
        # In the order of the release, so that the same results are the same file.
        kept = {TRIVIAL: state.trivial(suite)} if why_not else {who: Outcome(items, {}) for who, items in old.items()}
        outcomes[suite.id] = {**kept, MODEL: model}
        compared[suite.id] = _comparison(recorded, suite.id, why_not, old.get(MODEL, []), model.items)
        if not why_not:
            differences += _differing(old[MODEL], model.items)
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


def _recorded_items(release: Artifact) -> dict[str, dict[str, list[Item]]]:
    """By suite and contestant, in the order of the release."""
    found: dict[str, dict[str, list[Item]]] = {}
    try:
        with release.path("items.jsonl").open(encoding="utf-8") as f:
            for line in f:
                item = _ITEM.validate_json(line)
                found.setdefault(item.suite, {}).setdefault(item.contestant, []).append(item)
    except (OSError, ValidationError) as e:
        raise RequestError(f"items.jsonl of {release.folder} cannot be read as this zoo's; release it anew.") from e
    return found


def _obstacles(
    recorded: Recorded, suite: Suite, run: Run, origin: str, questions: list[Question], then: dict[str, list[Item]]
) -> Iterator[str]:
    """Why what was recorded `then`, by contestant, and what is measured now are not results of one test."""
    if suite.id not in recorded.scores:
        yield "the release was not measured on it"
        return
    here = evaluate.asked_of_all(run)
    known = recorded.identity.suites.get(suite.id)
    if known is None or known.yaml != here["suites"][suite.id]["yaml"]:
        yield "its definition is another here than it was for the release"
    elif known.items != here["suites"][suite.id]["items"]:
        yield f"its items ({origin}) are not those of the release ({recorded.scores[suite.id].items_from})"
    elif suite.file(run) is None and origin != recorded.scores[suite.id].items_from:
        yield f"its items are of {origin}, those of the release of {recorded.scores[suite.id].items_from}"
    if recorded.identity.prompt != here["prompt"]:
        yield "questions are put in other words here than for the release"
    asked = [(q.id, q.gold) for q in questions]
    if not {MODEL, TRIVIAL} <= then.keys() or any([(i.id, i.gold) for i in items] != asked for items in then.values()):
        yield "its items here are not those that the release has results of"
        return
    if other := _judged_otherwise(suite, questions, then):
        yield f"answers are judged otherwise here: {other} of those in the release would be scored otherwise"


def _judged_otherwise(suite: Suite, questions: list[Question], then: dict[str, list[Item]]) -> int:
    """How many recorded responses have another score under this machine's verifiers. What lm-eval itself scores is of
    its version, which is recorded."""
    metric = suite.meta.metric
    if not suite.generates or metric not in OWN or metric in {m["metric"] for m in suite.config["metric_list"]}:
        return 0
    return sum(
        score(metric, suite.domain, q, item.response) != item.score
        for who, items in then.items() if who != TRIVIAL
        for q, item in zip(questions, items, strict=True)
    )  # fmt: skip


def _comparison(recorded: Recorded, suite: str, why_not: str, old: list[Item], new: list[Item]) -> dict[str, Any]:
    """What a suite's entry says about the card: `same` where every item has the score it had, None where it cannot be
    told; how many have another score or another answer."""
    card = recorded.scores.get(suite)
    released = {"model": card.model, "difference": card.difference} if card else None
    if why_not:
        return {"released": released, "same": None, "not_compared": why_not}
    scores = sum(a.score != b.score for a, b in zip(old, new, strict=True))
    answers = sum(a.response != b.response for a, b in zip(old, new, strict=True))
    return {"released": released, "same": scores == 0, "other_scores": scores, "other_answers": answers}


def _differing(old: list[Item], new: list[Item]) -> Iterator[dict[str, Any]]:
    for a, b in zip(old, new, strict=True):
        if a != b:
            sides = {
                side: {k: getattr(i, k) for k in ("score", "response")} for side, i in (("released", a), ("here", b))
            }
            yield {"suite": a.suite, "id": a.id, "gold": a.gold, **sides}


def _show(result: dict[str, Any]) -> None:
    for line in table(result["suites"]):
        say(line)
    for s in result["suites"]:
        say(f"  {s['suite']}: {_verdict(s)}")
    if result["same"] is not True and (others := result["other_packages"]):
        listed = ", ".join(f"{n} {then or 'not known'} (here {here})" for n, (then, here) in others.items())
        say(f"  it was released with {listed}")


def _verdict(suite: dict[str, Any]) -> str:
    if suite["same"] is None:
        card = f"the card says {suite['released']['model']:.3f}, " if suite["released"] else ""
        return f"{card}not compared: {suite['not_compared']}"
    scores, answers, n = suite["other_scores"], suite["other_answers"], suite["n"]
    if scores:
        return (
            f"{suite['model']:.3f} where the card says {suite['released']['model']:.3f}: {scores} of {n} items are scored "
            "otherwise (differences.jsonl)"
        )
    worded = f"; {answers} answers differ in words (differences.jsonl)" if answers else ""
    return f"as on the card, each of {n} items{worded}"
