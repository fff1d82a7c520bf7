"""A model's words as it says them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from transformers import TextStreamer


class Heard(TextStreamer):  # type: ignore[misc]
    """Gives each finished word of an answer to `heard`, and the tokens in `unsaid` to nobody."""

    def __init__(self, tokenizer: Any, unsaid: Collection[int], heard: Callable[[str], None]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=False)
        self._unsaid = torch.tensor(sorted(unsaid))
        self._heard = heard

    def put(self, value: torch.Tensor) -> None:
        super().put(value[~torch.isin(value, self._unsaid)])

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        if text:
            self._heard(text)
