"""The last resort: an error that nobody foresaw becomes one sentence, and a log that holds its traceback. A disk that
takes nothing more can break any write of any library, so it is told from them here."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path

from zoo.console import say
from zoo.errors import first_line, kind_and_line
from zoo.workspace import workspace_path

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
# What SQLite says, and libraries that wrap the system's error in one of their own.
_SAID = (*(os.strerror(n) for n in _UNWRITABLE), "database or disk is full")


def sentence(error: Exception) -> str:
    """What went wrong, and what to do where the disk takes nothing more; else where the traceback lies: in the
    workspace's `logs/`, or in the temp folder where there is no workspace yet. ZOO_DEBUG=1 shows it on stderr too."""
    trace = "".join(traceback.format_exception(error))
    if os.environ.get("ZOO_DEBUG") == "1":
        say(trace)
    if why := _unwritable(error):
        return (
            f"Nothing more can be written ({why}): make room, or raise the limit, for the workspace {_workspace()} and the "
            "folder of temporary files, and give the same command again."
        )
    log = _written(trace)
    where = f"the details are in {log}" if log else "no log could be written, but ZOO_DEBUG=1 shows the details"
    return f"Something went wrong that zoo did not foresee ({kind_and_line(error)}); {where}."


def _unwritable(error: BaseException | None) -> str:
    """What the disk, or a library on its behalf, says in the error or one that it comes of; '' for any other error."""
    while error:
        said = next((s for s in _SAID if s.lower() in str(error).lower()), "")
        if said or (isinstance(error, OSError) and error.errno in _UNWRITABLE):
            return said or first_line(error)
        error = error.__cause__ or error.__context__
    return ""


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
