"""`zoo doctor`: what this machine has and can reach, and what depends on it."""

from __future__ import annotations

import sys

from zoo.artifact import Workspace, packages
from zoo.commands import options as o
from zoo.workspace import workspace_path


def doctor(workspace: o.WorkspacePath = None, json: o.Json = False) -> None:
    """Versions, machine, network, weights and programs, each with what it limits; fetches nothing."""
    from zoo.doctor import checks

    found = checks(Workspace(workspace_path(workspace)))
    if json:
        o.print_json({"checks": [vars(c) for c in found], "packages": packages()})
        return
    for c in found:
        sys.stdout.write(f"{'ok' if c.ok else '--'}  {c.check:<10}{c.found} ({c.limits})\n")
        sys.stdout.flush()
    sys.stdout.write("    " + ", ".join(f"{name} {version}" for name, version in packages().items()) + "\n")
