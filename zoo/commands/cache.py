"""`zoo cache`: what the workspace's cache holds, and dropping of it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.artifact import Workspace
from zoo.commands import options as o
from zoo.console import say
from zoo.errors import RequestError, ZooError
from zoo.workspace import workspace_path

if TYPE_CHECKING:
    from zoo.kept import Thing
    from zoo.teachers.store import Count

_PIPED_WIDTH = 240  # so that no row is broken for a program that reads them
Domain = Annotated[str | None, typer.Option("--domain", help="Answers asked for by this domain.", metavar="NAME")]
Model = Annotated[str | None, typer.Option("--model", help="Answers of this model.", metavar="NAME")]
Place = Annotated[
    str | None, typer.Option("--place", help="Answers from this address, or digest of weights.", metavar="URL")
]
Before = Annotated[
    str | None, typer.Option("--before", help="Answers from before this day (UTC).", metavar="YYYY-MM-DD")
]
WeightsNames = Annotated[
    list[str] | None, typer.Option("--weights", help="Weights or data of this name. Repeatable.", metavar="NAME")
]
All = Annotated[bool, typer.Option("--all", help="Everything.")]
Drop = Annotated[bool, typer.Option("--drop", help="Drop what the other options select, which they show without it.")]


def cache(
    domain: Domain = None, model: Model = None, place: Place = None, before: Before = None, weights: WeightsNames = None,
    all_: All = False, drop: Drop = False, workspace: o.WorkspacePath = None, json: o.Json = False,
) -> None:  # fmt: skip
    """Teachers' answers by domain, model and place, and base weights, with their sizes; --drop removes those that are
    selected. Artifacts and releases do not depend on the cache; what is run again asks, pays and fetches anew."""
    from zoo import kept
    from zoo.teachers.store import Selection

    of_answers = [x for x in (domain, model, place, before) if x is not None]
    if all_ and (of_answers or weights):
        raise RequestError("--all means everything; leave the other selections out, or --all.")
    if drop and not (all_ or of_answers or weights):
        raise RequestError(
            "--drop needs to know what: --domain, --model, --place, --before, --weights or --all; without --drop they "
            "show what would go."
        )
    here = Workspace(workspace_path(workspace))
    selection = Selection(domain and _name(domain), model, place, before and _day(before))
    answers = kept.look(here, selection) if of_answers or not weights else []
    things = kept.things(here, weights) if weights or not of_answers else []
    total = kept.size(here)
    if drop:
        kept.drop(here, selection, answers, things)
        left = kept.size(here)
    shown: dict[str, Any] = {
        "answers": [{**asdict(a), "mb": _mb(a.bytes)} for a in answers],
        "weights": [{"name": t.name, "kind": t.kind, "mb": _mb(t.bytes)} for t in things],
    }
    if json:
        o.print_json({"dropped": shown, "mb": _mb(left)} if drop else {**shown, "mb": _mb(total)})
        return
    _draw(answers, things)
    if drop and not (answers or things):
        say(f"nothing is selected, so nothing was dropped from {here.cache}")
    elif drop:
        say(f"dropped; {_mb(total - left):,} MB less, {_mb(left):,} MB left in {here.cache}")
    else:
        say(f"{_mb(total):,} MB in {here.cache} in all")


def _name(domain: str) -> str:
    """A domain's own name, also for an alias; as it is for one that is no longer installed."""
    from zoo.library import load_domain

    try:
        return load_domain(domain).name
    except ZooError:
        return domain


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise RequestError(f"--before {text!r} is no day; give it as YYYY-MM-DD.") from None


def _mb(size: int) -> float:
    return round(size / 1e6, 1)


def _draw(answers: list[Count], things: list[Thing]) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    if answers:
        table = Table("domain", *(Column(name, overflow="fold") for name in ("model", "place")), box=None)
        for column in ("answers", "MB", "tokens in", "tokens out", "first", "last"):
            table.add_column(column, justify="right", no_wrap=True)
        for a in answers:
            numbers = (a.answers, _mb(a.bytes), a.tokens_in, a.tokens_out)
            table.add_row(a.domain or "-", a.model, a.place or "-", *(f"{n:,}" for n in numbers), a.first, a.last)
        console.print(table)
    if things:
        table = Table("weights and data", "what", box=None)
        table.add_column("MB", justify="right")
        for t in things:
            table.add_row(t.name, t.kind, f"{_mb(t.bytes):,}")
        console.print(table)
