"""What a step of training computes: forward passes with little padding, the output layer only where a loss is taken, and
the two losses, of the answer's tokens and of the answer among its options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from zoo.branches import Branched
from zoo.training.batches import passes
from zoo.training.likelihood import likelihoods
from zoo.training.rows import IGNORED
from zoo.training.shared import Shared

Batch = list[dict[str, torch.Tensor]]


@dataclass(frozen=True)
class Collator:
    """Rows to the forward passes of one step, each a dict of (rows, longest) tensors; `questions` () counts what they
    hold. Where each is one sequence without other options, attention needs no mask beyond that of the padding.

    Else what is shared stands first, then every sequence behind it, each followed by its other options, which see its
    prompt and themselves alone; `attention_mask` is then (rows, 1, longest, longest), and `options` (tokens, 5) says of
    each option's token its row, the column that predicts it, the token, its question and its option (0 is the answer).
    """

    pad: int
    tokens: int

    def __call__(self, rows: Sequence[Shared]) -> Batch:
        return [self._one([rows[i] for i in part]) for part in passes([len(r) for r in rows], self.tokens)]

    def _one(self, rows: list[Shared]) -> dict[str, torch.Tensor]:
        found = self._plain(rows) if all(s.plain for s in rows) else self._branched(rows)
        return {**found, "questions": torch.tensor(sum(len(s.rows) for s in rows))}

    def _plain(self, rows: list[Shared]) -> dict[str, torch.Tensor]:
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.pad)
        labels = torch.full((len(rows), longest), IGNORED)
        for n, (row,) in enumerate(s.rows for s in rows):
            ids[n, : len(row.tokens)] = torch.tensor(row.tokens)
            labels[n, row.start : len(row.tokens)] = torch.tensor(row.tokens[row.start :])
        out = {"input_ids": ids, "labels": labels}
        if any(len(s) < longest for s in rows):
            lengths = torch.tensor([len(s) for s in rows])
            out["attention_mask"] = (torch.arange(longest)[None] < lengths[:, None]).long()
        return out

    def _branched(self, rows: list[Shared]) -> dict[str, torch.Tensor]:
        longest = max(map(len, rows))
        laid = Branched.empty(len(rows), longest, pad=self.pad)
        labels = torch.full((len(rows), longest), IGNORED)
        options: list[tuple[int, int, int, int, int]] = []
        asked = 0
        for n, shared in enumerate(rows):
            head = laid.place(n, 0, shared.head, [])
            at = head.stop
            for row in shared.rows:
                own = laid.place(n, at, row.tokens[head.stop :], [head])
                answer = slice(own.start + row.start - head.stop, own.stop)
                labels[n, answer] = torch.tensor(row.tokens[row.start :])
                # The end token is left out: an option's likelihood, in evaluation too, is that of its words.
                branches = [(answer.start, row.tokens[row.start : -1])]
                at = own.stop
                for other in row.others:
                    at = laid.place(n, at, other, [head, slice(own.start, answer.start)]).stop
                    branches.append((at - len(other), other))
                if row.others:
                    options += _listed(n, answer.start - 1, asked, branches)
                    asked += 1
        out = {
            "input_ids": laid.ids,
            "labels": labels,
            "position_ids": laid.positions,
            "attention_mask": laid.seen[:, None],
        }
        return {**out, "options": torch.tensor(options)} if options else out


def _listed(
    row: int, before: int, question: int, branches: Sequence[tuple[int, tuple[int, ...]]]
) -> list[tuple[int, int, int, int, int]]:
    """The rows of `options` of one question, whose prompt ends in column `before`; of each branch its first column and
    its tokens."""
    return [
        (row, column, token, question, option)
        for option, (first, tokens) in enumerate(branches)
        for column, token in zip([before, *range(first, first + len(tokens) - 1)], tokens, strict=True)
    ]


@dataclass(frozen=True)
class Losses:
    """Of a forward pass: cross entropy summed over `tokens` trained tokens, and the choice loss summed over its questions."""

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
    likelihood = likelihoods(
        model, needed, input_ids=batch["input_ids"], attention_mask=batch.get("attention_mask"), use_cache=False, **placed
    )  # fmt: skip
    place = needed.flatten().cumsum(0).view_as(needed) - 1
    answer = -likelihood(place[answers], labels[answers]).sum()
    choice = answer.new_zeros(())
    if options is not None:
        choice = _choice_loss(likelihood(place[options[:, 0], options[:, 1]], options[:, 2]), options)
    return Losses(answer, int(answers.sum()), choice)


def _choice_loss(likelihood: torch.Tensor, options: torch.Tensor) -> torch.Tensor:
    """Cross entropy of the answer in a softmax over its options' log-likelihoods, summed over the questions.

    The ranking loss of T-Few (Liu et al. 2022, arXiv 2205.05638) without its division by length, so that it trains what
    accuracy over likelihoods measures. `likelihood` (tokens,) is that of the tokens of `options` (tokens, 5).
    """
    question, option = options[:, 3], options[:, 4]
    shape = (int(question.max()) + 1, int(option.max()) + 1)
    slot = question * shape[1] + option
    size = shape[0] * shape[1]
    scores = likelihood.new_zeros(size).index_add(0, slot, likelihood)
    absent = torch.ones(size, dtype=torch.bool, device=slot.device).index_fill(0, slot, False)
    scores = scores.masked_fill(absent, float("-inf")).view(shape)
    return cross_entropy(scores, torch.zeros(shape[0], dtype=torch.long, device=scores.device), reduction="sum")
