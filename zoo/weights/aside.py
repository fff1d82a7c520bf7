"""Weights made where nobody takes them for finished ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.errors import ZooError
from zoo.lock import alone


@contextmanager
def beside(place: Path) -> Iterator[Path]:
    """A folder beside `place`, this process's alone, to make in it what shall lie there: a kill leaves no half of a model, and
    what it did leave the next one clears away. Raises ZooError where there is no room."""
    aside = place.with_name(f".{place.name}.part")
    try:
        with alone(aside, f"  another zoo process is making {place}; waiting for it"):
            try:
                yield aside
            finally:
                shutil.rmtree(aside)
    except OSError as e:
        raise ZooError(
            f"The weights cannot be written to {place} ({e.strerror or e}); make room, or name another --workspace."
        ) from e
