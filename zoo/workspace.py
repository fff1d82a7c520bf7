"""Which workspace a command means."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from zoo.errors import RequestError


def workspace_path(given: Path | None) -> Path:
    """`--workspace`, else $ZOO_WORKSPACE, else ./.zoo; absolute."""
    return (given or Path(os.environ.get("ZOO_WORKSPACE") or ".zoo")).expanduser().resolve()


def require_writable(root: Path) -> None:
    """Raises RequestError where no folder can be at `root`, or nothing be written there. Leaves nothing behind."""
    place = next(p for p in (root, *root.parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as e:
        raise RequestError(
            f"The workspace {root} cannot be used: nothing can be written to {place} ({e.strerror}); name another "
            "folder with --workspace."
        ) from e
