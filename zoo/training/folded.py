"""LoRA with its update folded into the weight once a step, instead of two more products in every forward pass.

The forward pass is one product with W + s·B·A; the backward pass gives A and B their gradients from two products of the
adapter's rank. Loss and gradients are peft's, and so are the parameters: only where they are multiplied differs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import linear


class _Product(torch.autograd.Function):
    """x (..., in) times the folded weight (out, in), with gradients for x, A (rank, in) and B (out, rank)."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, folded: torch.Tensor, bias: torch.Tensor | None, a: torch.Tensor, b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:  # fmt: skip
        ctx.save_for_backward(x, folded, a, b)
        ctx.scale = scale
        return linear(x, folded, bias)

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, folded, a, b = ctx.saved_tensors
        gradient = given[0]
        rows, flat = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, gradient.shape[-1])
        for_x = gradient @ folded if ctx.needs_input_grad[0] else None
        for_a = (flat @ b).mul_(ctx.scale).T @ rows
        for_b = flat.T @ (rows @ a.T).mul_(ctx.scale)
        return for_x, None, None, for_a, for_b, None


class Folded:
    """The LoRA layers of a peft model, multiplied folded from now on; `refresh` must follow every change of A or B.

    Costs one more copy of the adapted weights in memory. Only for float32 (in 16 bits the sum would round the update
    away) and without dropout (which peft applies to the adapter's input alone).
    """

    def __init__(self, model: Any) -> None:
        from peft.tuners.lora.layer import Linear

        self._layers: list[tuple[Any, torch.Tensor]] = []
        for layer in model.modules():
            if isinstance(layer, Linear):
                folded = torch.empty_like(layer.get_base_layer().weight, requires_grad=False)
                self._layers.append((layer, folded))
                layer.forward = _forward(layer, folded)
        self.refresh()

    @torch.no_grad()
    def refresh(self) -> None:
        for layer, folded in self._layers:
            a, b, scale = _adapter(layer)
            torch.addmm(layer.get_base_layer().weight, b, a, alpha=scale, out=folded)


def _adapter(layer: Any) -> tuple[torch.Tensor, torch.Tensor, float]:
    (name,) = layer.active_adapters
    return layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]


def _forward(layer: Any, folded: torch.Tensor) -> Any:
    def forward(x: torch.Tensor) -> torch.Tensor:
        return _Product.apply(x, folded, layer.get_base_layer().bias, *_adapter(layer))  # type: ignore[no-any-return, no-untyped-call]

    return forward
