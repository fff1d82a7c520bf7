"""A model's words as it says them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from transformers import StoppingCriteria, TextStreamer


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


class Repeating(StoppingCriteria):  # type: ignore[misc]
    """Stops an answer that ends in one and the same piece over and over, as a small model falls into. `start` is the
    prompt's length in tokens."""

    LONGEST = 16  # tokens of a piece
    TIMES = 6
    LEAST = 24  # tokens of all its repetitions: the zeros of a number are none

    def __init__(self, start: int) -> None:
        self._start = start
        self.found = False

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        said = input_ids[0, self._start :].tolist()
        self.found = any(self._repeats(said, size) for size in range(1, self.LONGEST + 1))
        return torch.tensor([self.found], device=input_ids.device)

    def _repeats(self, said: list[int], size: int) -> bool:
        n = max(self.TIMES * size, self.LEAST)
        return len(said) >= n and said[-n:-size] == said[-n + size :]
