"""Whether two texts have a run of words in common, told by digests alone: winnowing, after Schleimer, Wilkerson and Aiken
(SIGMOD 2003)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from zlib import crc32

from zoo.alike import words

WORDS = 8  # of a run that is looked at; shorter ones are anybody's
WINDOW = 4  # runs in a row of which one is kept


def runs(text: str) -> list[int]:
    """A 32-bit digest of each run of WORDS words, whatever their case and what parts them; of fewer words, of all."""
    said = words(text)
    count = max(len(said) - WORDS + 1, 1) if said else 0
    return [crc32(" ".join(said[n : n + WORDS]).encode("utf-8", "replace")) for n in range(count)]


def marks(texts: Iterable[str]) -> set[int]:
    """The least digest of every WINDOW runs in a row, two in five of all: two texts with WORDS + WINDOW - 1 words in common have
    one of these in common too."""
    found: set[int] = set()
    for text in texts:
        all_ = runs(text)
        found.update(min(all_[n : n + WINDOW]) for n in range(max(len(all_) - WINDOW + 1, min(len(all_), 1))))
    return found


def packed(marks: Iterable[int]) -> bytes:
    """Four bytes each, little-endian, in order."""
    ordered = sorted(marks)
    return struct.pack(f"<{len(ordered)}I", *ordered)


def unpacked(data: bytes) -> set[int]:
    return set(struct.unpack(f"<{len(data) // 4}I", data))
