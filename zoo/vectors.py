"""Vectors of many texts, a chunk at a time; finished chunks lie on disk and are not computed twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.artifact import digest_text
from zoo.console import progress
from zoo.embedding import Embed

if TYPE_CHECKING:
    import numpy as np

_CHUNK = 1024


def embedded(
    texts: Iterable[str],
    count: int,
    load: Callable[[Callable[[int], None]], Embed],
    folder: Path,
    model: str,
    what: str = "passages",
) -> np.ndarray[Any, Any]:
    """(count, dim) float32 of length 1, a row a text. `load` gives the embedder, called only if a chunk is missing, with
    what the embedder tells of the texts that it has done."""
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    found: list[np.ndarray[Any, Any]] = []
    embed: Embed | None = None
    remaining = iter(texts)
    with progress(f"{what} embedded", count) as bar:
        while chunk := list(islice(remaining, _CHUNK)):
            before = bar.done
            path = folder / f"{digest_text(chr(0).join([model, *chunk]))[:24]}.npy"
            if not path.is_file():
                if embed is None:
                    embed = load(bar.advance)
                    bar.begin()
                part = path.with_suffix(".part.npy")
                np.save(part, _checked(embed(chunk), len(chunk)))
                part.replace(path)
            found.append(np.load(path))
            bar.advance(before + len(chunk) - bar.done)
    return np.concatenate(found) if found else np.zeros((0, 1), dtype=np.float32)


def _checked(vectors: np.ndarray[Any, Any], rows: int) -> np.ndarray[Any, Any]:
    import numpy as np

    from zoo.errors import ZooError

    if vectors.shape[0] != rows or not np.isfinite(vectors).all():
        raise ZooError(
            "The embedder gave no finite vector for every text; try another one with --set ingest.embedder=NAME."
        )
    return vectors
