"""`zoo list`: the domains, their releases here, what was pulled, and the plugins that could not be loaded."""

from __future__ import annotations

from typing import Any

from zoo.artifact import Artifact, Workspace
from zoo.commands import options as o
from zoo.errors import ZooError
from zoo.library import Broken, Domain
from zoo.workspace import workspace_path


def list_(workspace: o.WorkspacePath = None, domain_path: o.DomainPath = None, json: o.Json = False) -> None:
    """Domains, their aliases, and the versions released in this workspace or pulled into it."""
    from zoo.library import find_domains
    from zoo.releases import pulled, versions

    domains, found = find_domains(tuple(domain_path or ()))
    broken = [*found, *(b for d in domains.values() if (b := _fault(d)))]
    whole = [d for d in domains.values() if d.name not in {b.name for b in broken}]
    place = Workspace(workspace_path(workspace))
    rows: list[dict[str, Any]] = [
        {
            "domain": d.name, "aliases": d.config.aliases, "title": d.config.title,
            "releases": [_entry(v, a) for v, a in versions(place, d.name).items()],
        }
        for d in whole
    ]  # fmt: skip
    fetched: list[dict[str, Any]] = [
        {"repo": repo, "domain": list(found.values())[-1].record["domain"], "releases": [_entry(v, a) for v, a in found.items()]}
        for repo, found in pulled(place).items()
    ]  # fmt: skip
    if json:
        o.print_json({"domains": rows, "pulled": fetched, "broken": [vars(b) for b in broken]})
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("domain", "aliases", "title", "releases here", box=None)
    for r in rows:
        table.add_row(r["domain"], ", ".join(r["aliases"]), r["title"], _versions(r) or "-")
    for b in broken:
        table.add_row(b.name, "", f"[red]broken:[/red] {b.error}", b.where)
    Console().print(table)
    if fetched:
        table = Table("pulled from the Hub", "domain", "versions", box=None)
        for r in fetched:
            table.add_row(r["repo"], r["domain"], _versions(r))
        Console().print("", table)


def _entry(version: str, artifact: Artifact) -> dict[str, Any]:
    return {"version": version, "gate": artifact.result["gate"], "folder": str(artifact.folder)}


def _versions(row: dict[str, Any]) -> str:
    return ", ".join(r["version"] for r in row["releases"])


def _fault(domain: Domain) -> Broken | None:
    """What is wrong with the domain's own Python or seeds, which are read only once they are needed."""
    try:
        domain.check()
    except ZooError as e:
        return Broken(domain.name, str(domain.folder), str(e))
    return None
