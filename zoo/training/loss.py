"""What a step of training computes: forward passes with little padding, the output layer only where a loss is taken, and
the two losses, of the answer's tokens and of the answer among its options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from zoo.output_layer import output_layer_at
from zoo.training.batches import passes
from zoo.training.rows import IGNORED, TokenRow

Batch = list[dict[str, torch.Tensor]]


@dataclass(frozen=True)
class Collator:
    """Rows to the forward passes of one step, each a dict of (rows, longest) tensors. Rows without padding need no
    mask, and attention is faster without one.

    Where rows have other options, those follow the answer in the same row, each seeing the prompt and itself alone, so
    that a prompt is read once; `attention_mask` is then (rows, 1, longest, longest), and `options` (tokens, 5) says of
    each option's token its row, the column that predicts it, the token, its question and its option (0 is the answer).
    """

    pad: int
    tokens: int

    def __call__(self, rows: Sequence[TokenRow]) -> Batch:
        return [self._one([rows[i] for i in part]) for part in passes([len(r) for r in rows], self.tokens)]

    def _one(self, rows: list[TokenRow]) -> dict[str, torch.Tensor]:
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.pad)
        labels = torch.full((len(rows), longest), IGNORED)
        for n, row in enumerate(rows):
            ids[n, : len(row)] = torch.tensor([*row.tokens, *(t for other in row.others for t in other)])
            labels[n, : len(row.tokens)] = torch.tensor(row.labels)
        out = {"input_ids": ids, "labels": labels}
        if any(r.others for r in rows):
            return {**out, **_options(rows, longest)}
        if any(len(r) < longest for r in rows):
            lengths = torch.tensor([len(r) for r in rows])
            out["attention_mask"] = (torch.arange(longest)[None] < lengths[:, None]).long()
        return out


def _options(rows: list[TokenRow], longest: int) -> dict[str, torch.Tensor]:
    positions = torch.arange(longest).repeat(len(rows), 1)
    seen = torch.ones(longest, longest, dtype=torch.bool).tril().repeat(len(rows), 1, 1)
    listed: list[tuple[int, int, int, int, int]] = []
    question = 0
    for n, row in enumerate(rows):
        at = len(row.tokens)
        # The end token is left out: an option's likelihood, in evaluation too, is that of its words.
        branches = [(row.start, row.tokens[row.start : -1])]
        for other in row.others:
            positions[n, at : at + len(other)] = row.start + torch.arange(len(other))
            seen[n, at : at + len(other), row.start : at] = False
            branches.append((at, other))
            at += len(other)
        if row.others:
            for option, (first, tokens) in enumerate(branches):
                columns = [row.start - 1, *range(first, first + len(tokens) - 1)]
                listed += [(n, c, t, question, option) for c, t in zip(columns, tokens, strict=True)]
            question += 1
    return {"position_ids": positions, "attention_mask": seen[:, None], "options": torch.tensor(listed)}


@dataclass(frozen=True)
class Losses:
    """Of a forward pass: cross entropy summed over `tokens` trained tokens, and the choice loss summed over its rows."""

    answer: torch.Tensor
    tokens: int
    choice: torch.Tensor


def losses(model: Any, batch: dict[str, torch.Tensor]) -> Losses:
    labels, options = batch["labels"][:, 1:], batch.get("options")
    answers = labels != IGNORED
    needed = answers.clone()
    if options is not None:
        needed[options[:, 0], options[:, 1]] = True
    placed = {"position_ids": batch["position_ids"]} if "position_ids" in batch else {}
    with output_layer_at(model, needed):
        logits = model(
            input_ids=batch["input_ids"], attention_mask=batch.get("attention_mask"), use_cache=False, **placed
        ).logits[0].float()  # fmt: skip
    answer = cross_entropy(logits[answers[needed]], labels[answers], reduction="sum")
    choice = logits.new_zeros(())
    if options is not None:
        place = needed.flatten().cumsum(0).view_as(needed) - 1
        choice = _choice_loss(logits[place[options[:, 0], options[:, 1]]], options)
    return Losses(answer, int(answers.sum()), choice)


def _choice_loss(logits: torch.Tensor, options: torch.Tensor) -> torch.Tensor:
    """Cross entropy of the answer in a softmax over its options' log-likelihoods, summed over the questions.

    The ranking loss of T-Few (Liu et al. 2022, arXiv 2205.05638) without its division by length, so that it trains what
    accuracy over likelihoods measures. `logits` (tokens, vocabulary) predict the tokens of `options` (tokens, 5).
    """
    question, option = options[:, 3], options[:, 4]
    shape = (int(question.max()) + 1, int(option.max()) + 1)
    slot = question * shape[1] + option
    size = shape[0] * shape[1]
    likelihood = -cross_entropy(logits, options[:, 2], reduction="none")
    scores = likelihood.new_zeros(size).index_add(0, slot, likelihood)
    absent = torch.ones(size, dtype=torch.bool, device=slot.device).index_fill(0, slot, False)
    scores = scores.masked_fill(absent, float("-inf")).view(shape)
    return cross_entropy(scores, torch.zeros(shape[0], dtype=torch.long, device=scores.device), reduction="sum")
