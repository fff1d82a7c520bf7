"""`zoo chat DOMAIN[@VERSION] [QUESTION]`: questions to a released model, with the passages it answers from."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from zoo.commands import options as o
from zoo.commands.show import Reference
from zoo.console import say
from zoo.errors import RequestError, unknown
from zoo.workspace import workspace_path

if TYPE_CHECKING:
    from zoo.api import Passage
    from zoo.chat import Chat, Reply
    from zoo.prompting import Part

Words = Annotated[
    list[str] | None,
    typer.Argument(help="What to ask; else stdin is the question; in a terminal, a conversation.", metavar="QUESTION"),
]
Reasoning = Annotated[
    bool, typer.Option("--reasoning", help="Ask for steps and show them; else for the answer alone, which is briefer.")
]
Passages = Annotated[
    bool, typer.Option("--passages/--no-passages", help="Show the model the passages nearest to the question.")
]
Top = Annotated[
    int, typer.Option("--top", "-n", help="How many passages; training rows mostly show one or two.", min=1)
]
OpenKind = Annotated[
    str, typer.Option("--kind", help="What to answer with: short, yes_no_maybe, number, label, summary.")
]
MaxTokens = Annotated[int, typer.Option("--max-tokens", help="The longest answer, steps included.", min=1)]

# What a terminal would obey instead of showing: documents and models may hold anything.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def chat(
    reference: Reference,
    question: Words = None,
    reasoning: Reasoning = False,
    passages: Passages = True,
    top: Top = 2,
    kind: OpenKind = "short",
    max_tokens: MaxTokens = 256,
    workspace: o.WorkspacePath = None,
    domain_path: o.DomainPath = None,
    offline: o.Offline = False,
    json: o.Json = False,
) -> None:
    """Answers from a released model, as they are made, with document and page of what it was shown."""
    from zoo.api import Kind
    from zoo.chat import open_chat

    # A choice needs its options, which a question in words does not bring.
    if kind not in (kinds := {*get_args(Kind)} - {"choice"}):
        raise unknown("kind of answer", kind, kinds)
    text = _question(question, json)

    opened = open_chat(
        reference, workspace_path(workspace), tuple(domain_path or ()), passages=passages, top=top,
        kind=kind,  # type: ignore[arg-type]
        reasoning=reasoning, max_tokens=max_tokens, offline=offline,
    )  # fmt: skip
    loaded = opened.loaded
    say(f"{loaded.domain.name}@{loaded.version}: {loaded.domain.config.disclaimer.strip()}")
    if text is None:
        _converse(opened)
    elif json:
        reply = opened.ask(text, lambda part, piece: None)
        o.print_json({"domain": loaded.domain.name, "version": loaded.version, **_as_data(reply)})
        _say_notes(opened, reply)
    else:
        _answer(opened, text)


def _question(words: list[str] | None, as_json: bool) -> str | None:
    """The one question there is, or None for a conversation."""
    assert isinstance(sys.stdin, io.TextIOWrapper)
    sys.stdin.reconfigure(errors="replace")
    if words:
        # An argument that is no valid UTF-8 comes with surrogates, which no tokenizer takes.
        text = " ".join(words).encode("utf-8", "replace").decode()
    elif not sys.stdin.isatty():
        text = sys.stdin.read()
    elif as_json:
        raise RequestError("--json answers one question; give it as an argument or on stdin.")
    else:
        return None
    if not text.strip():
        raise RequestError("The question is empty; give one as an argument or on stdin.")
    return text.strip()


def _converse(chat: Chat) -> None:
    import readline  # noqa: F401  (gives the prompt its editing and history)

    try:
        say("Each question stands by itself. Ctrl-C stops an answer; /quit, Ctrl-D or Ctrl-C at the prompt ends.")
        while (line := _line()) != "/quit":
            _take(chat, line)
    except (EOFError, KeyboardInterrupt):
        say("")


def _line() -> str:
    if sys.stdout.isatty():
        return input("> ").strip()
    sys.stderr.write("> ")
    sys.stderr.flush()
    return input().strip()


def _take(chat: Chat, line: str) -> None:
    """Answers a line of the conversation, which goes on whatever is wrong with the line."""
    try:
        if line.startswith("/"):
            raise unknown("command", line, ["/quit"])
        if line:
            _answer(chat, line)
    except RequestError as e:
        say(f"zoo: {e}")
    except KeyboardInterrupt:
        say("\nstopped")


def _answer(chat: Chat, question: str) -> None:
    """Writes the answer to stdout as it is made, then where the passages stand that the model was shown."""
    begun: list[Part] = []

    def heard(part: Part, text: str) -> None:
        if part == "reasoning" and not chat.reasoning:
            return
        if chat.reasoning and part not in begun[-1:]:
            _write(("\n\n" if begun else "") + part.capitalize() + ": ")
            begun.append(part)
        _write(text)

    reply = chat.ask(question, heard)
    _write("\n")
    if reply.passages:
        _write("\nIt was shown:\n")
        say_places(reply.passages)
    _say_notes(chat, reply)


def say_places(passages: list[Passage]) -> None:
    """Where they stand; those of one place on one line, since they would read the same."""
    places: dict[str, list[str]] = {}
    for n, passage in enumerate(passages, 1):
        place = passage.place + (f": {passage.title}" if passage.title else "")
        places.setdefault(place, []).append(str(n))
    for place, numbers in places.items():
        _write(f"  [{', '.join(numbers)}] {place}\n")


def _say_notes(chat: Chat, reply: Reply) -> None:
    """What the answer lacks, and why."""
    shown = len(reply.passages)
    if shown < reply.found or not reply.whole:
        cut = "" if reply.whole else ", the last of them in part"
        say(f"The model reads {chat.loaded.window} tokens: it was shown {shown} of {reply.found} passages{cut}.")
    if chat.retriever and not reply.found:
        say("There are no passages to show: the documents of this release were empty.")
    if reply.stopped == "repetition":
        say("It went on repeating itself and was stopped.")
    if reply.stopped == "max_tokens":
        say(f"It was cut off after {chat.max_tokens} tokens; --max-tokens allows more.")
    if not reply.answer:
        say("The model gave no answer" + (" behind its steps." if reply.reasoning else "."))


def _as_data(reply: Reply) -> dict[str, object]:
    return {
        "question": reply.question, "answer": reply.answer, "reasoning": reply.reasoning,
        "passages": [{k: getattr(p, k) for k in ("document", "page", "title", "text")} for p in reply.passages],
        "stopped": reply.stopped,
    }  # fmt: skip


def _write(text: str) -> None:
    sys.stdout.write(_CONTROL.sub("", text))
    sys.stdout.flush()
