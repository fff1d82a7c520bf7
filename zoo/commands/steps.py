"""`zoo train` and the steps' own verbs: `zoo annotate` is `zoo train --until annotate`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from zoo.commands import options as o
from zoo.commands.evaluate import evaluate_release
from zoo.config import Options
from zoo.console import say
from zoo.errors import RequestError
from zoo.ranks import led
from zoo.releases import names_release
from zoo.workspace import workspace_path

HELP = {
    "train": "From documents to a released model: every step of the recipe, those already done skipped.",
    "ingest": "Reads documents into passages and indexes them.",
    "annotate": "Has a teacher write checked training examples from passages and questions.",
    "pretrain": "Continues the base's pretraining on the passages, or on reading texts made of them, where the recipe has that step.",
    "finetune": "Fine-tunes the base on the examples with LoRA.",
    "evaluate": "Scores base, trivial baseline and model on the same items. Of a release (DOMAIN@VERSION, ORG/NAME) it "
    "measures the model again on the release's suites, or on those that --suite names, and compares with the card.",
    "release": "Lets the model through the gate and writes its card and version.",
}
BATCH = ("annotate.batch=true",)


def add_to(app: typer.Typer) -> None:
    for verb, text in HELP.items():
        app.command(verb, help=text)(_command(verb))


def _command(verb: str) -> Callable[..., None]:
    def command(
        domain: o.DomainName, recipe: o.RecipeName = None, corpus: o.Corpus = None, source: o.Sources = None,
        suite: o.Suites = None, suite_data: o.SuiteData = None, base: o.Base = None, teacher_url: o.TeacherUrl = None,
        teacher_model: o.TeacherModel = None, batch: o.Batch = False, max_calls: o.MaxCalls = None,
        max_tokens: o.MaxTokens = None, max_cost: o.MaxCost = None, ablate: o.Ablate = False, set_: o.Settings = None,
        until: o.Until = None, plan: o.Plan = False, offline: o.Offline = False, seed: o.Seed = None,
        workspace: o.WorkspacePath = None, domain_path: o.DomainPath = None, json: o.Json = False,
    ) -> None:  # fmt: skip
        if until is not None and verb != "train":
            raise RequestError(
                f"`zoo {verb}` ends with {verb} and takes no --until; say `zoo train {domain} --until {until}`."
            )
        if ablate and verb != "annotate":
            raise RequestError(f"`zoo {verb}` takes no --ablate; say `zoo annotate {domain} --ablate`.")
        if ablate and plan:
            raise RequestError(
                f"--ablate has no plan: it is annotate, and three times finetune and evaluate; see `zoo train {domain} --plan`."
            )
        request = Options(
            workspace=workspace_path(workspace), recipe=recipe, corpus=tuple(corpus or ()),
            sources=o.pairs(source, "--source"), suites=tuple(suite or ()), suite_data=o.pairs(suite_data, "--suite-data"),
            base=base, teacher_url=teacher_url, teacher_model=teacher_model,
            settings=(*(set_ or ()), *(BATCH if batch else ()), *o.budgets(max_calls, max_tokens, max_cost)), seed=seed,
            offline=offline, domain_path=tuple(domain_path or ()),
        )  # fmt: skip
        if verb == "evaluate" and names_release(domain):
            led(lambda: evaluate_release(domain, request, plan, json))
            return
        if ablate:
            led(lambda: _ablate(domain, request, json))
            return
        led(lambda: _run(verb, domain, request, until, plan, json))

    return command


def _ablate(domain: str, request: Options, json: bool) -> None:
    from zoo import ablation
    from zoo import run as runs

    prepared = runs.prepare(domain, request, "annotate")
    ablation.check(prepared)
    result = ablation.ablate(prepared)
    if json:
        o.print_json(result)
    else:
        say(f"{result['artifact'] if 'stopped' in result else result['files']['ablation']}")


def _run(verb: str, domain: str, request: Options, until: str | None, plan: bool, json: bool) -> None:
    from zoo import run as runs

    prepared = runs.prepare(domain, request, until if verb == "train" else verb)
    if plan:
        o.print_plan(runs.plan(prepared), json)
        return
    if verb == "train":
        from zoo.report import train_and_report

        result = train_and_report(prepared)
    else:
        result = runs.train(prepared)
    if json:
        o.print_json(result)
    else:
        _say_result(result)


def _say_result(result: dict[str, Any]) -> None:
    took = ", ".join(f"{s['step']} {'skipped' if s['skipped'] else str(s['seconds']) + ' s'}" for s in result["steps"])
    say(f"done: {took}")
    say(f"{result['artifact']}")
    if "report" in result:
        say(f"{result['report']}")
