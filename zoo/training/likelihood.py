"""Log-likelihoods of tokens without the logits of all: over a large vocabulary those take more time and memory than the
rest of a small model's output layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.nn.functional import linear

from zoo.output_layer import output_layer_at

# Logits held at one time: in float32 8 MB, which a processor's caches serve; on a GPU few and large products are faster.
_AT_ONCE = {"cpu": 2**21}
_AT_ONCE_ELSEWHERE = 2**26
_bare: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()

Likelihood = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From places (n,), counted over the positions asked for, and tokens (n,) to those tokens' log-likelihoods there (n,)."""


def likelihoods(model: Any, needed: torch.Tensor, **inputs: Any) -> Likelihood:
    """One forward pass of `model` over `inputs`, of which the positions count where `needed` (rows, columns) is true."""
    head = model.get_output_embeddings()
    if head.weight.requires_grad or not _bare.get(head, True):
        return _of_logits(model, needed, inputs)
    hidden: list[torch.Tensor] = []
    said: list[torch.Tensor] = []

    def at_one(_: Any, args: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        hidden.append(args[0][:, : needed.shape[1]][needed])
        return (hidden[0][None, :1],)

    hooks = [head.register_forward_pre_hook(at_one), head.register_forward_hook(lambda *a: said.append(a[2]))]
    try:
        logits = model(**inputs).logits
    finally:
        for hook in hooks:
            hook.remove()
    # A model may scale or cap what its output layer says; then its own logits are taken.
    if head not in _bare:
        _bare[head] = bool(torch.equal(logits, said[0]))
        if not _bare[head]:
            return _of_logits(model, needed, inputs)
    return _of_hidden(hidden[0], head.weight, getattr(head, "bias", None))


def _of_logits(model: Any, needed: torch.Tensor, inputs: dict[str, Any]) -> Likelihood:
    with output_layer_at(model, needed):
        logits = model(**inputs).logits[0].float()
    normal = logits.logsumexp(-1)
    return lambda places, tokens: logits[places, tokens] - normal[places]


def _of_hidden(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> Likelihood:
    normal = _LogSumExp.apply(hidden, weight, bias)  # type: ignore[no-untyped-call]

    def likelihood(places: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        logits = (hidden[places].float() * weight[tokens].float()).sum(-1)
        if bias is not None:
            logits = logits + bias[tokens].float()
        # Rounded as the logits are that the sum is of: a token is else likelier than all together.
        return logits.to(hidden.dtype).float() - normal[places]  # type: ignore[no-any-return]

    return likelihood


class _LogSumExp(torch.autograd.Function):
    """log(sum(exp(hidden @ weight.T + bias))), (positions,) in float32, of hidden (positions, size) and a frozen weight
    (vocabulary, size), a few positions at a time.

    Its gradient, the mean of the weight's rows under the softmax, is made in the forward pass while the logits are at
    hand. That they need not be kept is Cut Cross-Entropy's insight (Wijmans et al. 2024, arXiv 2411.09009).
    """

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        trains = hidden.requires_grad
        normal = torch.empty(len(hidden), device=hidden.device)
        mean = torch.empty_like(hidden) if trains else None
        step = max(1, _AT_ONCE.get(hidden.device.type, _AT_ONCE_ELSEWHERE) // len(weight))
        for first in range(0, len(hidden), step):
            here = slice(first, first + step)
            logits = linear(hidden[here], weight, bias).float()
            normal[here] = logits.logsumexp(-1)
            if mean is not None:
                softmax = logits.sub_(normal[here, None]).exp_()
                mean[here] = softmax.to(weight.dtype) @ weight
        ctx.save_for_backward(mean)
        return normal

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (mean,) = ctx.saved_tensors
        return given[0][:, None].to(mean.dtype) * mean, None, None
