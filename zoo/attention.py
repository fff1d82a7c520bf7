"""What a model's attention allows."""

from __future__ import annotations

from typing import Any


def attends_to_all(config: Any) -> bool:
    """Whether every layer of the model attends to all before it, so that one attention mask serves all its layers."""
    text = config.get_text_config(decoder=True)
    if not hasattr(text, "num_attention_heads"):
        return False  # a recurrent model
    layers = set(getattr(text, "layer_types", None) or ["full_attention"])
    return layers == {"full_attention"} and not getattr(text, "sliding_window", None)
