"""`zoo why DOMAIN TEXT`: the training examples nearest to a text, how each was made, and the passages it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.artifact import Workspace
from zoo.commands import options as o
from zoo.console import say
from zoo.errors import RequestError
from zoo.workspace import workspace_path

if TYPE_CHECKING:
    from rich.console import Console

    from zoo.api import Example, Passage
    from zoo.lineage.training import Near

Model = Annotated[
    str,
    typer.Argument(
        help="A domain, for its last run's model, or DOMAIN@VERSION.", metavar="DOMAIN[@VERSION]", show_default=False
    ),
]
Words = Annotated[
    list[str], typer.Argument(help="A question, or an answer the model gave.", metavar="TEXT", show_default=False)
]
Top = Annotated[int, typer.Option("--top", "-n", help="How many examples, and how many passages.", min=1)]
_SAID = 300  # characters of an attempt that are shown


def why(
    model: Model, words: Words, top: Top = 3, workspace: o.WorkspacePath = None, domain_path: o.DomainPath = None,
    offline: o.Offline = False, json: o.Json = False,
) -> None:  # fmt: skip
    """The training examples nearest to a text: how each was made, by whom and from what, with its passages; and the nearest
    passages that continued pretraining read."""
    from zoo.lineage.training import Memory, find_trained

    text = " ".join(words).encode("utf-8", "replace").decode().strip()
    if not text:
        raise RequestError("The text is empty; give a question, or an answer that the model gave.")
    root = Workspace(workspace_path(workspace))
    trained = find_trained(root, model, tuple(domain_path or ()))
    memory = Memory.open(root, trained, offline)
    near, read = memory.nearest(text, top), memory.read(text, top)
    passages = memory.passages_of(near)
    if json:
        o.print_json({
            "domain": trained.domain, "version": trained.version, "text": text,
            "examples": [_data(n, passages) for n in near],
            "read": None if read is None else [
                {**p.model_dump(mode="json"), "score": round(score, 4)} for p, score in read
            ],
        })  # fmt: skip
        return
    from rich.console import Console

    console = Console()
    for n in near:
        _draw(console, n, passages)
    if read is None:
        say(f"which texts continued pretraining read was not noted; `zoo pretrain {trained.domain}` does")
    elif read:
        console.print("[bold]continued pretraining read[/bold]", highlight=False)
        for passage, score in read:
            _draw_passage(console, passage, f"{score:.2f}", [])


def _data(near: Near, passages: dict[str, Passage]) -> dict[str, Any]:
    """An example as it is in its file, with its score and its passages."""
    example = near.example
    cited = {c.passage: passages[c.passage] for c in example.citations if c.passage in passages}
    return {
        "score": round(near.score, 4), "nearest": near.part, **example.model_dump(mode="json"),
        "passages": [
            {**p.model_dump(mode="json"), "quotes": [_span(c.start, c.end, p) for c in example.citations if c.passage == i]}
            for i, p in cited.items()
        ],
    }  # fmt: skip


def _span(start: int, end: int, passage: Passage) -> dict[str, Any]:
    """A quote by its place in the passage, and in the document's text."""
    where = {"start": start, "end": end, "in_document": [passage.start + start, passage.start + end]}
    return {"quote": passage.text[start:end], **where}


def made(example: Example) -> list[str]:
    """How an example came to be, a line each."""
    where = f", {example.place}" if example.place else ""
    out = [f"origin {example.origin}: {example.source}, {example.licence}{where}"]
    if example.teacher:
        out.append(f"teacher {example.teacher.model}, {example.teacher.prompt} {example.teacher.version}")
    for n, attempt in enumerate(example.attempts, 1):
        found = "; ".join(f"{v.check} {v.verdict}{f' ({v.reason})' if v.reason else ''}" for v in attempt.verdicts)
        said = " ".join(attempt.said.split())
        said = said if len(said) <= _SAID else said[:_SAID] + " …"
        out.append(f"attempt {n}, {attempt.stage} by {attempt.prompt}: {found or 'not judged'}: {said}")
    checks = "; ".join(f"{v.check} {v.verdict}{f' ({v.reason})' if v.reason else ''}" for v in example.verdicts)
    return [*out, f"checks: {checks or 'none'}"]


def _draw(console: Console, near: Near, passages: dict[str, Passage]) -> None:
    from rich.text import Text

    example = near.example
    console.print(Text(f"{near.score:.2f}  {example.id}, near in its {near.part}", style="bold"))
    console.print(Text(f"Question: {example.question}"))
    for choice in example.choices:
        console.print(Text(f"  - {choice}"))
    if example.reasoning:
        console.print(Text(f"Reasoning: {example.reasoning}"))
    console.print(Text(f"Answer: {example.answer}"))
    for line in made(example):
        console.print(Text(f"  {line}", style="dim"))
    for id_ in dict.fromkeys(c.passage for c in example.citations):
        spans = [(c.start, c.end) for c in example.citations if c.passage == id_]
        if id_ in passages:
            _draw_passage(console, passages[id_], "from", spans)
        else:
            elsewhere = [c for c in example.citations if c.passage == id_]
            for citation in elsewhere:
                console.print(Text(f"  quotes {citation.document}, which was not in this run: {citation.quote}"))
    console.print()


def _draw_passage(console: Console, passage: Passage, before: str, spans: list[tuple[int, int]]) -> None:
    from rich.text import Text

    title = f"; {passage.title}" if passage.title else ""
    console.print(Text(f"  {before} {passage.place}{title}", style="bold"))
    text = Text(passage.text)
    for start, end in spans:
        text.stylize("reverse", start, end)
    console.print(text)
