"""Whether a difference between two systems on the same items is more than the draw of the items.

The bootstrap is Efron's (1979, doi:10.1214/aos/1176344552), for two systems on one test set Koehn's (2004, W04-3250).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_AT_ONCE = 4_000_000  # item indices drawn at a time: 32 MB


@dataclass(frozen=True)
class Difference:
    """Mean of per-item differences, with the ends of its 95% percentile interval."""

    value: float
    low: float
    high: float

    def rounded(self) -> dict[str, float]:
        return {"value": round(self.value, 6), "low": round(self.low, 6), "high": round(self.high, 6)}


def paired_difference(model: Sequence[float], other: Sequence[float], draws: int, seed: int) -> Difference:
    """`model` minus `other`, item by item, resampled `draws` times. Raises ValueError where they are not paired."""
    import numpy as np

    if len(model) != len(other) or not model:
        raise ValueError(f"{len(model)} and {len(other)} scores are not pairs")
    gaps = np.asarray(model, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means: list[float] = []
    chunk = max(1, _AT_ONCE // len(gaps))
    for start in range(0, draws, chunk):
        picks = rng.integers(0, len(gaps), size=(min(chunk, draws - start), len(gaps)))
        means.extend(gaps[picks].mean(axis=1).tolist())
    low, high = np.percentile(means, [2.5, 97.5])
    return Difference(float(gaps.mean()), float(low), float(high))
