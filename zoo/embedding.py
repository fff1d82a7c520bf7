"""Sentence vectors from a local model folder, by sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError, first_line

if TYPE_CHECKING:
    import numpy as np

Embed = Callable[[list[str]], "np.ndarray[Any, Any]"]
"""Texts to float32 vectors of length 1, one a row."""


def load_embedder(folder: Path, done: Callable[[int], None] | None = None) -> Embed:
    """The model in `folder`, on the GPU if there is one. It is read from there alone, whatever is cached elsewhere.
    `done` is told how many texts each batch was, as it is done.

    Raises ZooError where sentence-transformers cannot read it.
    """
    from sentence_transformers import SentenceTransformer

    try:
        model = SentenceTransformer(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as e:  # the library lets through whatever the parsers of a dozen formats raise
        raise ZooError(
            f"The embedder in {folder} cannot be loaded ({first_line(e)}); name another with --set ingest.embedder=FOLDER."
        ) from e

    if done:
        # What comes out of the model's last module is one batch, a row a text.
        model[-1].register_forward_hook(lambda module, given, out: done(len(out["sentence_embedding"])))

    def embed(texts: list[str]) -> np.ndarray[Any, Any]:
        import numpy as np

        vectors = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    return embed
