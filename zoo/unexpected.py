"""The last resort: an error that nobody foresaw becomes one sentence, and a log that holds its traceback."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path

from zoo.console import say
from zoo.errors import kind_and_line
from zoo.workspace import workspace_path


def sentence(error: Exception) -> str:
    """What went wrong and where the traceback lies: in the workspace's `logs/`, or in the temp folder where there is no
    workspace yet. ZOO_DEBUG=1 shows it on stderr too."""
    trace = "".join(traceback.format_exception(error))
    if os.environ.get("ZOO_DEBUG") == "1":
        say(trace)
    log = _written(trace)
    where = f"the details are in {log}" if log else "no log could be written, but ZOO_DEBUG=1 shows the details"
    return f"Something went wrong that zoo did not foresee ({kind_and_line(error)}); {where}."


def _written(trace: str) -> Path | None:
    name = f"zoo-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    workspace = _workspace()
    for folder in ([workspace / "logs"] if workspace.is_dir() else []) + [Path(tempfile.gettempdir())]:
        try:
            folder.mkdir(exist_ok=True)
            (folder / name).write_text(trace, encoding="utf-8", errors="backslashreplace")
        except OSError:  # a full disk may well be what went wrong
            continue
        return folder / name
    return None


def _workspace() -> Path:
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--workspace", type=Path)
    return workspace_path(parser.parse_known_args(sys.argv[1:])[0].workspace)
