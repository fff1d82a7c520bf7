"""Exact and near duplicates among documents, by MinHash over word 5-grams; the first in order is kept."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from zoo.alike import words as words_of

if TYPE_CHECKING:
    import numpy as np

HASHES = 128
_WORDS = 5
_PRIME = (1 << 61) - 1


def signature(text: str) -> str:
    """The digest of a text's words and its MinHash, as text: 64 hex digits, a colon, base64 of 128 little-endian
    uint32."""
    words = words_of(text)
    return f"{_digest(words)}:{base64.b64encode(_minhash(words).tobytes()).decode()}"


def words_digest(text: str) -> str:
    """The digest of a text's words alone, with which its signature begins."""
    return _digest(words_of(text))


def _digest(words: list[str]) -> str:
    return hashlib.sha256(" ".join(words).encode("utf-8", "replace")).hexdigest()


def _minhash(words: list[str]) -> np.ndarray[Any, Any]:
    import numpy as np

    n = min(_WORDS, max(len(words), 1))
    shingles = {" ".join(words[i : i + n]) for i in range(max(len(words) - n + 1, 1))}
    hashed = np.fromiter(
        (
            int.from_bytes(hashlib.blake2b(s.encode("utf-8", "replace"), digest_size=4).digest(), "little")
            for s in shingles
        ),
        dtype=np.uint64,
    )
    a, b = _family()
    lowest = np.full(HASHES, np.iinfo(np.uint32).max, dtype=np.uint64)
    for at in range(0, len(hashed), 4096):
        # 28-bit factors keep the products within 64 bits.
        values = ((hashed[at : at + 4096, None] * a + b) % np.uint64(_PRIME)) & np.uint64(0xFFFFFFFF)
        lowest = np.minimum(lowest, values.min(axis=0))
    return lowest.astype("<u4")


@cache
def _family() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    import numpy as np

    rng = np.random.default_rng(20_250_101)
    return rng.integers(1, 1 << 28, HASHES, dtype=np.uint64), rng.integers(0, 1 << 60, HASHES, dtype=np.uint64)


def repeated(signatures: Iterable[tuple[str, str]], threshold: float) -> Iterator[tuple[str, str, float]]:
    """(id, id of the kept document, share of word 5-grams in common) for every document that repeats an earlier one.

    `signatures` are (id, signature) in the order of preference. The share of near duplicates is MinHash's estimate
    (standard error 0.03); `threshold` is the least that counts. Documents of the very same words have a share of 1.
    """
    import numpy as np

    rows = rows_per_band(threshold)
    bands = HASHES // rows
    exact: dict[str, tuple[str, float]] = {}
    buckets: dict[tuple[int, bytes], list[str]] = defaultdict(list)
    kept: dict[str, np.ndarray[Any, Any]] = {}
    for name, text in signatures:
        digest, _, encoded = text.partition(":")
        if digest in exact:
            yield name, *exact[digest]
            continue
        own = np.frombuffer(base64.b64decode(encoded), dtype="<u4")
        keys = [(band, own[band * rows : (band + 1) * rows].tobytes()) for band in range(bands)]
        candidates = dict.fromkeys(other for key in keys for other in buckets[key])
        best = max(
            ((float((own == kept[other]).mean()), other) for other in candidates), key=lambda p: p[0], default=(0.0, "")
        )
        if best[0] >= threshold:
            # Different words never count as the same, even if the estimate says so.
            exact[digest] = (best[1], min(best[0], 0.999))
            yield name, *exact[digest]
            continue
        exact[digest] = (name, 1.0)
        kept[name] = own
        for key in keys:
            buckets[key].append(name)


def rows_per_band(threshold: float) -> int:
    """The most rows a band may have so that a pair at the threshold is missed less than once in a thousand."""
    for rows in range(16, 1, -1):
        if (1 - threshold**rows) ** (HASHES // rows) < 1e-3:
            return rows
    return 1
