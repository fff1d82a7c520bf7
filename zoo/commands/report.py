"""`zoo report DOMAIN`: the last run on one page, written anew."""

from __future__ import annotations

from zoo.artifact import Workspace
from zoo.commands import options as o
from zoo.console import say
from zoo.workspace import workspace_path


def report(
    domain: o.DomainName, workspace: o.WorkspacePath = None, domain_path: o.DomainPath = None, json: o.Json = False
) -> None:
    """Writes report.html of the last run: scores, data, examples, costs and settings on one page."""
    from zoo.library import load_domain
    from zoo.report import write_report

    name = load_domain(domain, tuple(domain_path or ())).name
    path, run = write_report(Workspace(workspace_path(workspace)), name)
    if json:
        o.print_json(
            {
                "domain": name,
                "report": str(path),
                "started": run.started.isoformat(),
                "steps": [s.step for s in run.steps],
            }
        )
    else:
        say(str(path))
