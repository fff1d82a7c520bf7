"""`zoo search DOMAIN WORDS`: the passages nearest in meaning, with document and page."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.artifact import Workspace
from zoo.commands import options as o
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
    """Passages of the documents of the last run."""
    from zoo.library import load_domain
    from zoo.retrieval import Retriever, last_ingest

    name = load_domain(domain, tuple(domain_path or ())).name
    root = Workspace(workspace_path(workspace))
    retriever = Retriever.open(last_ingest(root, name), root.cache, offline)
    found = retriever.nearest(" ".join(words), top)
    if json:
        rows = [{**p.model_dump(mode="json"), "score": round(score, 4)} for p, score in found]
        o.print_json({"domain": name, "query": " ".join(words), "passages": rows})
        return
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for passage, score in found:
        console.print(Text(f"{score:.2f}  {passage.place}", style="bold"))
        console.print(Text(f"      {passage.title}", style="dim"))
        console.print(Text(passage.text), "")
