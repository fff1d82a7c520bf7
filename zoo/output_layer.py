"""The output layer at some positions alone: over a large vocabulary it is a fifth of a small model's work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def output_layer_at(model: Any, mask: torch.Tensor) -> Iterator[None]:
    """Within, the model's output layer sees only the positions where `mask` (rows, columns) is true, and the logits come
    as (1, positions, vocabulary). Columns beyond the mask's are left out. Everything else a model does to its logits,
    such as scaling, stays as it is."""
    head = model.get_output_embeddings()
    handle = head.register_forward_pre_hook(lambda _, args: (args[0][:, : mask.shape[1]][mask][None],))
    try:
        yield
    finally:
        handle.remove()
