"""`zoo publish DOMAIN[@VERSION]`: a release to the Hugging Face Hub, under its version."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.artifact import Workspace
from zoo.commands import options as o
from zoo.console import say
from zoo.workspace import workspace_path

Reference = Annotated[
    str, typer.Argument(help="A domain; @VERSION, else its latest.", metavar="DOMAIN[@VERSION]", show_default=False)
]
To = Annotated[
    str | None, typer.Option("--to", help="The repository; else the `hub` of domain.yaml.", metavar="ORG/NAME")
]
Private = Annotated[bool, typer.Option("--private", help="Makes the repository private if it is made now.")]


def publish(
    reference: Reference, to: To = None, private: Private = False, workspace: o.WorkspacePath = None,
    domain_path: o.DomainPath = None, json: o.Json = False,
) -> None:  # fmt: skip
    """Publishes a release to the Hugging Face Hub, tagged by its version, which never changes there."""
    from zoo import publishing

    place = Workspace(workspace_path(workspace))
    result = publishing.publish(place, reference, to, private, tuple(domain_path or ()))
    if json:
        o.print_json(result)
        return
    say(f"published: {result['url']}")
    say(f"`zoo pull {result['repo']}@{result['version']}` fetches it")
