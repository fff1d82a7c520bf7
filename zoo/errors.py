"""What can go wrong, each with the exit code a caller sees; and the nearest name to a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class ZooError(Exception):
    """A step failed. The message is one sentence: what, where, what to do."""

    exit_code = 1


class RequestError(ZooError):
    """The request was wrong (unknown name, bad config); raised before any work."""

    exit_code = 2


class ReleaseRefused(ZooError):
    """The gate (or a licence, or a parity check) says no. `result` is what the release step prints all the same."""

    exit_code = 3

    def __init__(self, message: str, result: dict[str, Any]) -> None:
        super().__init__(message)
        self.result = result


def first_line(error: BaseException) -> str:
    """What an error of a library says, in its first line and without the full stop; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def kind_and_line(error: BaseException) -> str:
    """The same with the error's kind before it: `OSError: No space left on device`."""
    kind, line = type(error).__name__, first_line(error)
    return line if line == kind else f"{kind}: {line}"


def unknown(what: str, name: str, known: Iterable[str]) -> RequestError:
    """The error for a name that does not exist, offering the nearest one that does."""
    names = sorted(known)
    lower = {n.lower(): n for n in names}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    hint = f"did you mean {lower[close[0]]!r}?" if close else f"known: {', '.join(names) or 'none'}."
    return RequestError(f"There is no {what} {name!r}; {hint}")
