"""`zoo forget DOMAIN DOCUMENT`: lists what rests on a document, removes it, and makes the last run's request again without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.artifact import Workspace
from zoo.commands import options as o
from zoo.console import say
from zoo.workspace import workspace_path

if TYPE_CHECKING:
    from zoo.lineage.forgetting import Forgetting

Document = Annotated[
    str, typer.Argument(help="Its id, path or file name.", metavar="DOCUMENT", show_default=False)
]  # fmt: skip
_WORTH_SAYING = 0.1  # of a document's words
Plan = Annotated[bool, typer.Option("--plan", help="Only list what rests on it; removes and makes nothing.")]
Rebuild = Annotated[
    bool, typer.Option("--rebuild/--no-rebuild", help="Run again what the last run asked for, without the document.")
]
Releases = Annotated[bool, typer.Option("--releases", help="Remove the releases that rest on it too.")]


def forget(
    domain: o.DomainName, document: Document, plan: Plan = False, rebuild: Rebuild = True, releases: Releases = False,
    workspace: o.WorkspacePath = None, domain_path: o.DomainPath = None, json: o.Json = False,
) -> None:  # fmt: skip
    """Lists what rests on a document of the domain, then removes it from the workspace (artifacts, cached answers), leaves
    it and its copies out from now on, and runs again what the last run asked for. Releases stay unless --releases is given."""
    from zoo.ranks import led

    root = Workspace(workspace_path(workspace))

    def work() -> None:
        from zoo.library import load_domain
        from zoo.lineage.forgetting import carry_out, prepare

        asked = prepare(root, load_domain(domain, tuple(domain_path or ())), document, rebuild, releases)
        shown = _data(asked)
        if asked.since:
            say(f"{asked.target.id} of {asked.domain.name} is forgotten already, since {asked.since}")
        else:
            for line in _sentences(asked):
                say(line)
        run = None if plan or asked.since else carry_out(asked)
        if not plan and not asked.since:
            say(f"{asked.target.id} is forgotten: no artifact and no cached answer of {asked.domain.name} holds it")
        if json:
            o.print_json({**shown, "forgotten": bool(asked.since) or not plan, "rebuilt": run})

    led(work)


def _data(asked: Forgetting) -> dict[str, Any]:
    """What rests on the document, as numbers and places."""
    resting, root = asked.resting, asked.workspace.root
    return {
        "domain": asked.domain.name, "document": asked.target.id, "copies": sorted(asked.target.ids - {asked.target.id}),
        "already": asked.since or None, "passages": len(resting.passages), "examples": len(resting.examples),
        "rejected": len(resting.rejected), "seeds": resting.seeds, "reading": len(resting.reading),
        "answers": len(resting.answers), "unknown_answers": len(resting.unknown_answers), "under_way": resting.under_way,
        "artifacts": [
            {"step": a.record["step"], "folder": a.folder.relative_to(root).as_posix(), "sure": a.folder not in resting.lost}
            for a in resting.artifacts
        ],
        "unfinished": [f.relative_to(root).as_posix() for f in resting.unfinished],
        "releases": [
            {"version": r.version, "sure": r.sure, "published": r.published, "removed": asked.releases}
            for r in resting.releases
        ],
        "near_duplicates": sorted(resting.near), "shared": round(resting.words.shared, 4),
        "elsewhere": resting.elsewhere, "rebuild": asked.run is not None,
    }  # fmt: skip


def _sentences(asked: Forgetting) -> list[str]:
    resting, out = asked.resting, [f"on {asked.target.id} of {asked.domain.name} rest:"]
    if others := sorted(asked.target.ids - {asked.target.id}):
        out.append(f"  its copies {', '.join(others)}")
    counts = {
        "passages": len(resting.passages), "examples kept": len(resting.examples), "rejected": len(resting.rejected),
        "seeds that cite it": len(resting.seeds), "texts for pretraining": len(resting.reading),
        "cached answers of teachers": len(resting.answers),
        "cached answers from before it was noted what they are about": len(resting.unknown_answers),
        "requests under way in batches, whose answers will not be taken": resting.under_way,
    }  # fmt: skip
    out.append("  " + (", ".join(f"{n:,} {what}" for what, n in counts.items() if n) or "no rows"))
    for artifact in resting.artifacts:
        doubt = ", whose documents nobody can tell any more" if artifact.folder in resting.lost else ""
        out.append(f"  {artifact.folder.relative_to(asked.workspace.root)}{doubt}")
    out += [f"  {f.relative_to(asked.workspace.root)}, which is not finished" for f in resting.unfinished]
    for release in resting.releases:
        doubt = "" if release.sure else ", as far as can be told: what it was made from is no longer here"
        fate = "is removed too" if asked.releases else "stays unless you say --releases"
        places = f"; {', '.join(release.published)} cannot be unpublished from here" if release.published else ""
        out.append(f"  the release {asked.domain.name}@{release.version}{doubt}, which {fate}{places}")
    for id_ in sorted(resting.near):
        out.append(
            f"  {id_}, nearly the same, was left out for it and is read in its place; forget it too if it should go"
        )
    if (part := resting.words.shared) >= _WORTH_SAYING:
        out.append(f"  {part:.0%} of its words stand in other documents too, which stay with all that rests on them")
    for other in resting.elsewhere:
        out.append(f"  the domain {other} has it too: `zoo forget {other}` makes that forget it")
    if asked.why_not:
        out.append(f"  what the last run asked for cannot be asked for again: {asked.why_not}")
    return out
