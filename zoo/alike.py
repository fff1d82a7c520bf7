"""Which questions say the same: equal but for case, spaces and punctuation, or close by their embeddings."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    # Texts to unit vectors, (texts, size).
    Embed = Callable[[list[str]], NDArray[np.float32]]

_BLOCK = 1024


def normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def duplicates(
    texts: Sequence[str], against: Sequence[str], threshold: float, embed: Embed
) -> list[tuple[str, str] | None]:
    """For each text None, or what it duplicates: ("suite", that text) or ("kept", that text), where the kept are the
    earlier texts that duplicate nothing. Two texts are the same from a cosine of `threshold` on."""
    import numpy as np

    if not texts:
        return []
    exact: dict[str, tuple[str, str]] = {normal(t): ("suite", t) for t in reversed(against)}
    vectors = embed([*against, *texts])
    known = np.empty_like(vectors)
    known[: len(against)] = vectors[: len(against)]
    names = [("suite", t) for t in against]
    found: list[tuple[str, str] | None] = []
    for start in range(0, len(texts), _BLOCK):
        block = vectors[len(against) + start : len(against) + start + _BLOCK]
        before = len(names)
        nearest = _nearest(block, known[:before])
        for n, vector in enumerate(block):
            text = texts[start + n]
            same = exact.get(normal(text))
            if same is None and nearest[n][1] >= threshold:
                same = names[nearest[n][0]]
            if same is None and len(names) > before:
                close = known[before : len(names)] @ vector
                if close.max() >= threshold:
                    same = names[before + int(close.argmax())]
            if same is None:
                exact[normal(text)] = ("kept", text)
                known[len(names)] = vector
                names.append(("kept", text))
            found.append(same)
    return found


def _nearest(block: NDArray[np.float32], known: NDArray[np.float32]) -> list[tuple[int, float]]:
    if not len(known):
        return [(0, -1.0)] * len(block)
    close = block @ known.T
    best = close.argmax(1)
    return [(int(b), float(close[n, b])) for n, b in enumerate(best)]
