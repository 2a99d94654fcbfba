"""Scalars whose gradients are known before anybody asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.autograd import Function


class Sloping(Function):
    """A scalar whose gradients in some tensors have been found already."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, count: int, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors[count:])
        ctx.count = count
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        slopes = (grads[0] * slope for slope in ctx.saved_tensors)
        return None, None, *slopes, *(None for _ in range(ctx.count))


def sloping(value: Tensor, slopes: Mapping[Tensor, Tensor]) -> Tensor:
    """Return a scalar with known gradients.

    The graph that they came of has been walked, and freed: of several such scalars that are summed
    one graph at a time is in memory.

    Args:
        value: of the scalar.
        slopes: its gradient in each tensor, of the tensor's shape.

    >>> import torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> torch.autograd.grad(2 * sloping(torch.tensor(5.0), {x: torch.tensor([3.0, 4.0])}), x)
    (tensor([6., 8.]),)
    """
    return Sloping.apply(value, len(slopes), *slopes.keys(), *slopes.values())
