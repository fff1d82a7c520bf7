"""`zoo pull ORG/NAME[@VERSION]`: a published release into this workspace."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.artifact import Workspace
from zoo.commands import options as o
from zoo.console import say
from zoo.workspace import workspace_path

Reference = Annotated[
    str,
    typer.Argument(
        help="A repository of the Hub, or a domain whose domain.yaml names one; @VERSION, else its latest.",
        metavar="ORG/NAME[@VERSION]|DOMAIN[@VERSION]", show_default=False,
    ),
]  # fmt: skip


def pull(
    reference: Reference, workspace: o.WorkspacePath = None, domain_path: o.DomainPath = None, json: o.Json = False
) -> None:
    """Fetches a published release from the Hugging Face Hub and checks every file against its record."""
    from zoo import pulling

    result = pulling.pull(Workspace(workspace_path(workspace)), reference, tuple(domain_path or ()))
    if json:
        o.print_json(result)
        return
    name = f"{result['repo']}@{result['version']}"
    say(
        f"{name} is here already, skipped"
        if result["skipped"]
        else f"pulled {name}: {result['files']} files, all as recorded"
    )
    if result["gate"] == "overridden":
        say(f"  it was released against the gate's advice: {'; '.join(result['reasons'])}")
    say(result["folder"])
