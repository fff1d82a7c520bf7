"""One step's work shared among the processes of a launcher: who takes which rows, and the sum of what they found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from zoo.console import say
from zoo.errors import ZooError
from zoo.ranks import Ranks, together

STEP = timedelta(hours=1)  # the longest that one process waits for another within a step, on GPUs


def divide(lengths: Sequence[int], shares: int) -> list[list[int]]:
    """Rows of so many tokens, by position, into shares of about as many tokens; there may be empty ones."""
    out: list[list[int]] = [[] for _ in range(shares)]
    loads = [0] * shares
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        least = loads.index(min(loads))
        out[least].append(i)
        loads[least] += lengths[i]
    return [sorted(share) for share in out]


class Team:
    """The processes of one training. Each computes its share of a step, in which every mean is over the whole step; the
    sum of their gradients is then one process's, and so are the optimizers, which see nothing else.

    Made in every process once its `model` is there; they start from rank 0's adapter. Raises ZooError where not all that
    the launcher promised take part.
    """

    def __init__(self, ranks: Ranks, model: Any) -> None:
        self.ranks = ranks
        self._trained = [p for p in model.parameters() if p.requires_grad]
        self._group: Any = None
        (count,) = self.totals(1)
        if count != ranks.size:
            raise ZooError(f"The launcher promised {ranks.size} processes, and {count} take part; start it anew.")
        with together():
            if model.device.type == "cuda":
                self._group = distributed.new_group(backend="nccl", timeout=STEP)
            flat = torch.cat([p.detach().flatten() for p in self._trained])
            distributed.broadcast(flat, 0, group=self._group)
        for parameter, part in zip(self._trained, self._parts(flat), strict=True):
            parameter.data.copy_(part)
        if self.leads:
            say(f"  {count} processes train together, on {'a GPU each' if self._group else 'the CPU'}")

    @property
    def leads(self) -> bool:
        return self.ranks.rank == 0

    def own(self, lengths: Sequence[int]) -> list[int]:
        """The positions of this process's share of rows of so many tokens."""
        return divide(lengths, self.ranks.size)[self.ranks.rank]

    def totals(self, *counts: int) -> tuple[int, ...]:
        return tuple(int(n) for n in self._sum(torch.tensor(counts)))

    def total(self, value: float) -> float:
        return float(self._sum(torch.tensor([value], dtype=torch.float64)))

    def add_up(self, loss: torch.Tensor) -> torch.Tensor:
        """Leaves the sum of all processes' gradients in every one; the sum of their losses."""
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._trained]
        flat = torch.cat([*(g.flatten() for g in grads), loss[None].to(grads[0].dtype)])
        with together():
            distributed.all_reduce(flat, group=self._group)
        for parameter, part in zip(self._trained, self._parts(flat), strict=True):
            parameter.grad = part
        return flat[-1]

    def part(self) -> None:
        """Once the training is over; the processes stay connected."""
        if self._group is not None:
            distributed.destroy_process_group(self._group)

    def _parts(self, flat: torch.Tensor) -> Iterator[torch.Tensor]:
        at = 0
        for parameter in self._trained:
            yield flat[at : at + parameter.numel()].view_as(parameter)
            at += parameter.numel()

    @staticmethod
    def _sum(values: torch.Tensor) -> torch.Tensor:
        with together():
            distributed.all_reduce(values)
        return values
