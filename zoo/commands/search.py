"""`zoo search DOMAIN WORDS`: the passages nearest in meaning, with document and page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.artifact import Artifact, Workspace
from zoo.commands import options as o
from zoo.errors import RequestError
from zoo.workspace import workspace_path

Words = Annotated[list[str], typer.Argument(help="What to look for, in words.", metavar="WORDS", show_default=False)]
Top = Annotated[int, typer.Option("--top", "-n", help="How many passages.", min=1)]


def search(
    domain: o.DomainName,
    words: Words,
    top: Top = 5,
    workspace: o.WorkspacePath = None,
    domain_path: o.DomainPath = None,
    offline: o.Offline = False,
    json: o.Json = False,
) -> None:
    """Passages of the documents that were ingested last."""
    from zoo.library import load_domain

    name = load_domain(domain, tuple(domain_path or ())).name
    root = Workspace(workspace_path(workspace))
    found = nearest(last_ingest(root, name), " ".join(words), top, root.cache, offline)
    if json:
        o.print_json({"domain": name, "query": " ".join(words), "passages": found})
        return
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for row in found:
        place = row["document"] + (f", page {row['page']}" if row["page"] else "")
        console.print(Text(f"{row['score']:.2f}  {place}", style="bold"))
        console.print(Text(f"      {row['title']}", style="dim"))
        console.print(Text(row["text"]), "")


def last_ingest(workspace: Workspace, domain: str) -> Artifact:
    """The domain's ingest artifact that was finished last. Raises RequestError if there is none."""
    folders = [p.parent for p in (workspace.root / domain / "ingest").glob("*/record.json")]
    if not folders:
        raise RequestError(
            f"Nothing of {domain} has been ingested into {workspace.root}; run `zoo ingest {domain}` first."
        )
    return max((Artifact(f) for f in folders), key=lambda a: str(a.record["ended"]))


def nearest(artifact: Artifact, query: str, top: int, cache: Path, offline: bool) -> list[dict[str, Any]]:
    """The `top` passages by cosine to the query, each with its `score`."""
    from zoo.api import Passage
    from zoo.embedding import load_embedder
    from zoo.errors import ZooError
    from zoo.index import Index
    from zoo.weights import resolve_embedder

    index = Index.load(artifact.folder)
    if not index.facts["passages"]:
        return []
    embedder = resolve_embedder(artifact.record["config"]["embedder"], cache, offline)
    if embedder.digest != index.facts["embedder"]["digest"]:
        raise ZooError(
            f"The embedder {embedder.name} is not the one that {artifact.folder} was indexed with; ingest again."
        )
    hits = dict(next(index.nearest(load_embedder(embedder.folder)([query]), top)))
    rows = {n: p for n, p in enumerate(artifact.rows("passages.jsonl", Passage)) if n in hits}
    return [{**rows[n].model_dump(mode="json"), "score": round(score, 4)} for n, score in hits.items()]
