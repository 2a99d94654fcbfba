"""Sums, and products of matrices, whose last bits do not depend on the number of threads.

Whoever adds by several threads cuts what is long among them, and adds in another order. By one
thread there is one order. What is added up here is little beside what is computed of images, and
beside a busy neighbour several threads would wait for one another longer than one computes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

SHORT = 256
"""Numbers that are added up in one go, by however many threads."""


def total(values: Tensor) -> Tensor:
    """Return the sum of all values, a scalar.

    >>> total(torch.ones(3, 2)).item()
    6.0
    """
    with steady(values.numel()):
        return values.sum()


def product(one: Tensor, other: Tensor) -> Tensor:
    """Return the product of two matrices; in its gradients, too, sums are of one thread.

    >>> product(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]])).tolist()
    [[11.0]]
    """
    return cast("Tensor", Product.apply(one, other)) if _here(one, other) else one @ other


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return what PyTorch's ``linear`` does of a matrix, with the sums of ``product``.

    Args:
        inputs: ``(N, in)``.
        weight: ``(out, in)``.
        bias: ``(out,)``.
    """
    return cast("Tensor", Linear.apply(inputs, weight, bias))


@contextlib.contextmanager
def steady(length: int) -> Generator[None]:
    """Add up so many numbers inside the ``with`` block."""
    before = torch.get_num_threads()
    if length > SHORT:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Product(Function):
    """A product of matrices, ``(N, D)`` by ``(D, M)``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(one: Tensor, other: Tensor) -> Tensor:
        with steady(one.shape[-1]):
            return one @ other

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        del output
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,), (one, other) = grads, ctx.saved_tensors
        mine, its = ctx.needs_input_grad
        first = second = None
        # As PyTorch lays them out, whose bits these are.
        if mine:
            first = product(other, grad.T).T if _turned(one) else product(grad, other.T)
        if its:
            second = product(grad.T, one).T if _turned(other) else product(one.T, grad)
        return first, second


class Linear(Function):
    """A product of matrices ``(N, in)`` and ``(out, in)``, and a bias ``(out,)``, if any."""

    generate_vmap_rule = True

    @staticmethod
    def forward(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        with steady(weight.shape[-1]):
            return F.linear(inputs, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        del output
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,), (inputs, weight) = grads, ctx.saved_tensors
        seen, weighed, moved = ctx.needs_input_grad
        return (
            product(grad, weight) if seen else None,
            product(grad.T, inputs) if weighed else None,
            grad.sum(0) if moved else None,
        )


def _turned(matrix: Tensor) -> bool:
    # Whether its columns lie one after the other.
    return matrix.stride() == (1, matrix.shape[0])


def _here(*operands: Tensor) -> bool:
    return all(each.device.type == "cpu" and each.ndim == 2 for each in operands)
