"""`zoo show DOMAIN[@VERSION]`, or of what was pulled `ORG/NAME[@VERSION]`: a release's card, or its scores and records as JSON."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.artifact import Workspace
from zoo.commands import options as o
from zoo.workspace import workspace_path

Reference = Annotated[
    str,
    typer.Argument(
        help="A domain, or the repository of what was pulled; @VERSION, else its latest.",
        metavar="DOMAIN|ORG/NAME[@VERSION]",
        show_default=False,
    ),
]


def show(
    reference: Reference, workspace: o.WorkspacePath = None, domain_path: o.DomainPath = None, json: o.Json = False
) -> None:
    """The card of a released version, the latest unless one is named."""
    import json as j

    from zoo.releases import find_release

    name, version, artifact = find_release(Workspace(workspace_path(workspace)), reference, tuple(domain_path or ()))
    steps = j.loads(artifact.path("steps.json").read_text(encoding="utf-8"))
    if json:
        o.print_json(
            {
                "domain": name, "version": version, "folder": str(artifact.folder), "gate": artifact.result["gate"],
                "reasons": artifact.result["reasons"], "suites": steps["evaluate"]["result"]["suites"],
                "changed_files": artifact.changed_files(), "record": artifact.record,
            }
        )  # fmt: skip
        return
    from rich.console import Console
    from rich.markdown import Markdown

    card = artifact.path("README.md").read_text(encoding="utf-8")
    Console().print(Markdown(card.split("\n---\n", 1)[-1]))
    for file in artifact.changed_files():
        Console(stderr=True).print(f"[red]{file} is missing or was changed since the release[/red]")
