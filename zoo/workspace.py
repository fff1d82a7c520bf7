"""Which workspace a command means."""

from __future__ import annotations

import os
from pathlib import Path


def workspace_path(given: Path | None) -> Path:
    """`--workspace`, else $ZOO_WORKSPACE, else ./.zoo; absolute."""
    return (given or Path(os.environ.get("ZOO_WORKSPACE") or ".zoo")).expanduser().resolve()
