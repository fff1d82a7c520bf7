"""The command line: wiring only. Every verb is a file of `zoo.commands`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from zoo import interrupt
from zoo.commands import cache, chat, doctor, forget, list_, publish, pull, report, search, show, steps, why
from zoo.console import say, show_cursor
from zoo.errors import ReleaseRefused, ZooError
from zoo.unexpected import sentence

app = typer.Typer(
    name="zoo", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="A zoo of small reasoning models, and the kit that makes them: from a folder of documents to a released model.",
)  # fmt: skip
steps.add_to(app)
_VERBS: dict[str, Callable[..., None]] = {
    "list": list_.list_, "show": show.show, "search": search.search, "why": why.why, "forget": forget.forget,
    "publish": publish.publish, "pull": pull.pull, "report": report.report, "chat": chat.chat, "cache": cache.cache,
    "doctor": doctor.doctor,
}  # fmt: skip
for name, verb in _VERBS.items():
    # In one line, or the list of commands breaks it where the source does.
    app.command(name, help=" ".join((verb.__doc__ or "").split()))(verb)


def main() -> None:
    """Exit codes: 0 done, 1 a step failed, 2 the request was wrong, 3 a release was refused, 130 interrupted."""
    # The libraries' own bars would drown the steps' counts.
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    if _goes_on():
        interrupt.heed(_say_interrupted)
    try:
        app()
    except ZooError as e:
        say(f"zoo: {e}")
        _print_error(e.result if isinstance(e, ReleaseRefused) else {"error": str(e)})
        sys.exit(e.exit_code)
    except SystemExit as e:
        if isinstance(e.__context__, typer.TyperException):  # a request that typer refused, and said so on stderr
            _print_error({"error": e.__context__.format_message()})
        if e.code == interrupt.EXIT_CODE:  # typer makes this of a KeyboardInterrupt
            _say_interrupted()
        raise
    except Exception as e:
        said = sentence(e)
        say(f"zoo: {said}")
        _print_error({"error": said})
        sys.exit(1)


def _goes_on() -> bool:
    """Whether the command, given again, goes on where it was interrupted."""
    return sys.argv[1:2] != [] and sys.argv[1] in {*steps.HELP, "forget"}


def _say_interrupted() -> None:
    said = "interrupted; the same command goes on from here" if _goes_on() else "interrupted"
    show_cursor()
    say(f"zoo: {said}")
    _print_error({"error": said})


def _print_error(result: dict[str, Any]) -> None:
    """With --json, what stdout holds where a command did not end well."""
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
