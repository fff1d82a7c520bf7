"""Words to their stems, to compare texts by."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1)
def _porter() -> Any:
    from nltk.stem.porter import PorterStemmer  # takes seconds to import

    return PorterStemmer()


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """By Porter's rules (1980, doi:10.1108/eb046814), in lower case; a word that is not ASCII as it is."""
    return str(_porter().stem(word)) if word.isascii() else word
