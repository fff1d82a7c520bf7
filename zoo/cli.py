"""The command line: wiring only. Every verb is a file of `zoo.commands`."""

from __future__ import annotations

import json
import os
import sys

import typer

from zoo.commands import chat, doctor, list_, publish, pull, report, search, show, steps
from zoo.console import say
from zoo.errors import ReleaseRefused, ZooError

app = typer.Typer(
    name="zoo", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="A zoo of small reasoning models, and the kit that makes them: from a folder of documents to a released model.",
)  # fmt: skip
steps.add_to(app)
app.command("list")(list_.list_)
app.command("show")(show.show)
app.command("search")(search.search)
app.command("publish")(publish.publish)
app.command("pull")(pull.pull)
app.command("report")(report.report)
app.command("chat")(chat.chat)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Exit codes: 0 done, 1 a step failed, 2 the request was wrong, 3 a release was refused, 130 interrupted."""
    # The libraries' own bars would drown the steps' counts.
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    as_json = "--json" in sys.argv
    try:
        app()
    except ZooError as e:
        say(f"zoo: {e}")
        if as_json:
            result = e.result if isinstance(e, ReleaseRefused) else {"error": str(e)}
            sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
        sys.exit(e.exit_code)
    except SystemExit as e:
        # typer makes this of a KeyboardInterrupt
        if e.code == 130:
            say("zoo: interrupted; the same command goes on from here")
        raise
