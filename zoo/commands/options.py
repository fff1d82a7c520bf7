"""The options that many verbs share."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.errors import RequestError


def _given(value: str) -> Path:
    """Click reads an empty path as the folder one stands in, which an unset shell variable never means."""
    if not value.strip():
        raise typer.BadParameter("is empty; name a file or folder.")
    return Path(value).expanduser()


DomainName = Annotated[
    str, typer.Argument(help="A domain, or its alias: medical.", metavar="DOMAIN", show_default=False)
]
RecipeName = Annotated[
    str | None, typer.Option("--recipe", help="A recipe's name, or a YAML file.", metavar="NAME|PATH")
]
Corpus = Annotated[
    list[Path] | None,
    typer.Option("--corpus", help="Documents: a file or folder. Repeatable.", metavar="PATH", parser=_given),
]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", help="Where a named source lies on this disk; uses it.", metavar="ID=PATH"),
]
Suites = Annotated[
    list[str] | None, typer.Option("--suite", help="Runs a suite beside the domain's own.", metavar="ID")
]
SuiteData = Annotated[
    list[str] | None,
    typer.Option("--suite-data", help="Where a suite's items lie on this disk; runs it.", metavar="ID=PATH"),
]
Base = Annotated[
    str | None, typer.Option("--base", help="The base model: Hub id, folder or GGUF file.", metavar="ID|PATH")
]
TeacherUrl = Annotated[
    str | None,
    typer.Option(
        "--teacher-url",
        help="An OpenAI-compatible endpoint, or several of one model and one key (OPENAI_API_KEY); local: this machine.",
        metavar="URL[,URL...]",
    ),
]
TeacherModel = Annotated[
    str | None,
    typer.Option(
        "--teacher-model",
        help="The model to ask there; local: the base; a GGUF file (best f16 or q8_0), for which llama.cpp is started; "
        "with --teacher-url local also a folder or ORG/NAME.",
        metavar="NAME|PATH",
    ),
]
Batch = Annotated[
    bool, typer.Option("--batch", help="Asks the teacher's batch endpoint: cheaper, within a day a round.")
]
Ablate = Annotated[
    bool,
    typer.Option(
        "--ablate", help="Trains and measures with the quality classifier's filter and without (annotate alone)."
    ),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="A setting of the recipe: finetune.epochs=2.", metavar="KEY=VALUE")
]
MaxCalls = Annotated[
    int | None,
    typer.Option("--max-calls", help="At most so many calls of the teacher (annotate.max_calls).", metavar="N"),
]
MaxTokens = Annotated[
    int | None,
    typer.Option("--max-tokens", help="At most so many of its tokens, in and out (annotate.max_tokens).", metavar="N"),
]
MaxCost = Annotated[
    float | None, typer.Option("--max-cost", help="At most so many USD for it (annotate.max_cost).", metavar="X")
]
Until = Annotated[str | None, typer.Option("--until", help="Stop after this step (train alone).", metavar="STEP")]
Plan = Annotated[bool, typer.Option("--plan", help="What would run and what it would spend; spends nothing.")]
Offline = Annotated[bool, typer.Option("--offline", help="Caches only: neither hub nor registry.")]
Seed = Annotated[int | None, typer.Option("--seed", help="The seed of everything drawn.")]
WorkspacePath = Annotated[
    Path | None,
    typer.Option(
        "--workspace", help="Where everything goes; else $ZOO_WORKSPACE, else .zoo here.", metavar="DIR", parser=_given
    ),
]
DomainPath = Annotated[
    list[Path] | None,
    typer.Option("--domain-path", help="A domain's folder, or a folder of them.", metavar="DIR", parser=_given),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, all else on stderr.")]


def pairs(values: list[str] | None, option: str) -> dict[str, Path]:
    """`ID=PATH` options as a mapping."""
    out: dict[str, Path] = {}
    for value in values or []:
        name, eq, path = value.partition("=")
        if not eq or not name or not path:
            raise RequestError(f"{option} {value!r} is not of the form ID=PATH.")
        out[name] = Path(path).expanduser()
    return out


def budgets(calls: int | None, tokens: int | None, cost: float | None) -> tuple[str, ...]:
    """The teacher's budgets as settings: what `--set` says of one comes before, and so counts less. Raises RequestError by
    the option's name, where the recipe would be blamed."""
    given = {"calls": calls, "tokens": tokens, "cost": cost}
    for name, value in given.items():
        if value is not None and not 0 <= value < math.inf:
            raise RequestError(f"--max-{name} is {value}; it should be a number of at least 0.")
    return tuple(f"annotate.max_{name}={value}" for name, value in given.items() if value is not None)


def print_json(result: Any) -> None:
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")


def print_plan(entries: list[dict[str, Any]], json: bool) -> None:
    """What would run: as an object on stdout, else in sentences on stderr."""
    from zoo.console import say
    from zoo.planned import sentences

    if json:
        print_json({"plan": entries})
        return
    for line in sentences(entries):
        say(line)
