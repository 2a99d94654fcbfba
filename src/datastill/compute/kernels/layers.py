"""The kernels as differentiable layers, float32 on a CPU: norms, and whole blocks.

Each takes the library that it is computed by last, and hands it to its gradients: a pass that
began with one set of instructions ends with it. Whoever calls a layer has asked ``operands``
whether what it gives serves; the order in memory is the layer's business. Gradients come from
PyTorch: those that are no ordinary numbers (a batch of gradients, say) go through its own layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from datastill.compute.kernels.library import Library
from datastill.compute.kernels.operands import blank, channels_last, compute, room


class InstanceNorm(Function):
    """Instance norm of ``(N, C, H, W)`` images, with gain and shift ``(C,)``."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, gain: Tensor, shift: Tensor, epsilon: float, by: Library
    ) -> Tensor:
        n, channels, height, width = images.shape
        made, statistics = blank(*images.shape), room(n, 2, channels)
        given = (channels_last(images), gain.contiguous(), shift.contiguous(), made, statistics)
        by.call("norm", *given, n, height * width, channels, epsilon)
        ctx.save_for_backward(images, gain, shift, statistics)
        ctx.by, ctx.epsilon = by, epsilon
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        images, gain, shift, statistics = ctx.saved_tensors
        (grad,) = grads
        if not compute(grad):
            layers = partial(_norm, epsilon=ctx.epsilon)
            return *_by_pytorch(ctx, layers, (images, gain, shift), grads), None, None
        n, channels, height, width = images.shape
        found, sums = blank(*images.shape), room(n, 2, channels)
        given = (channels_last(images), gain.contiguous(), statistics, channels_last(grad))
        ctx.by.call("norm_back", *given, found, sums, n, height * width, channels)
        shifts, gains = sums.sum(0)
        return found, gains, shifts, None, None


class NormReluPool(Function):
    """Instance norm with gain and shift, relu, and the mean of every 2x2 pixels.

    It can be differentiated twice.
    """

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, gain: Tensor, shift: Tensor, epsilon: float, by: Library
    ) -> Tensor:
        n, channels, height, width = images.shape
        pools = blank(n, channels, height // 2, width // 2)
        statistics = room(n, 2, channels)
        given = (channels_last(images), gain.contiguous(), shift.contiguous(), pools, statistics)
        by.call("normalise", *given, n, height, width, channels, epsilon)
        ctx.save_for_backward(images, gain, shift, statistics)
        ctx.by, ctx.epsilon = by, epsilon
        return pools

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        images, gain, shift, statistics = ctx.saved_tensors
        (grad,) = grads
        if not compute(grad):
            layers = partial(_norm_relu_pool, epsilon=ctx.epsilon)
            return *_by_pytorch(ctx, layers, (images, gain, shift), grads), None, None
        found: Any = NormReluPoolBack.apply(images, gain, shift, grad, statistics, ctx.by)
        return *found, None, None


class NormReluPoolBack(Function):
    """The gradients of ``NormReluPool`` in images, gain and shift."""

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        gain: Tensor,
        shift: Tensor,
        grad: Tensor,
        statistics: Tensor,
        by: Library,
    ) -> tuple[Tensor, Tensor, Tensor]:
        n, channels, height, width = images.shape
        found, sums = blank(*images.shape), room(n, 2, channels)
        given = (channels_last(images), *_norms(gain, shift, statistics), channels_last(grad))
        by.call("normalise_back", *given, found, sums, n, height, width, channels)
        ctx.save_for_backward(images, gain, shift, grad, statistics)
        ctx.by = by
        shifts, gains = sums.sum(0)
        return found, gains, shifts

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        images, gain, shift, grad, statistics = ctx.saved_tensors
        again, gains, shifts = grads
        n, channels, height, width = images.shape
        in_images, in_grad = blank(*images.shape), blank(*grad.shape)
        in_gain = room(n, channels)
        seen = (channels_last(images), *_norms(gain, shift, statistics), channels_last(grad))
        sums = (gains.contiguous(), shifts.contiguous())
        given = (*seen, channels_last(again), *sums, in_images, in_grad, in_gain)
        ctx.by.call("normalise_back_again", *given, n, height, width, channels)
        return in_images, in_gain.sum(0), None, in_grad, None, None


class FirstBlock(Function):
    """A convolution of few channels, and the layers of ``NormReluPool`` behind it, in one go.

    Images ``(N, in, H, W)``, weight ``(out, in, 3, 3)``; bias, gain and shift ``(out,)``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor,
        gain: Tensor,
        shift: Tensor,
        padding: int,
        epsilon: float,
        by: Library,
    ) -> Tensor:
        (n, inputs, height, width), outputs = images.shape, weight.shape[0]
        ctx.sizes = (n, height, width, inputs, outputs, padding, epsilon)
        pools = blank(n, outputs, (height + 2 * padding - 2) // 2, (width + 2 * padding - 2) // 2)
        given = (images.contiguous(), _taps(weight), *_norms(bias, gain, shift))
        by.call("first_block", *given, pools, *ctx.sizes)
        ctx.save_for_backward(images, weight, bias, gain, shift)
        ctx.by = by
        return pools

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        images, weight, bias, gain, shift = ctx.saved_tensors
        (grad,), (n, _, _, inputs, outputs, padding, epsilon) = grads, ctx.sizes
        if not compute(grad):
            layers = partial(_first_block, padding=padding, epsilon=epsilon)
            return *_by_pytorch(ctx, layers, ctx.saved_tensors, grads), *[None] * 3
        sums = room(n, 9 * inputs + 2, outputs)
        found = room(*images.shape) if ctx.needs_input_grad[0] else None
        given = (images.contiguous(), _taps(weight), *_norms(bias, gain, shift))
        ctx.by.call("first_block_back", *given, channels_last(grad), sums, found, *ctx.sizes)
        total = sums.sum(0)
        weights = total[:-2].T.reshape(outputs, inputs, 3, 3)
        return found, weights, torch.zeros_like(bias), total[-1], total[-2], *[None] * 3


def _taps(weight: Tensor) -> Tensor:
    return weight.flatten(1).T.contiguous()


def _norms(*vectors: Tensor) -> list[Tensor]:
    return [each.contiguous() for each in vectors]


# Gradients that are not the kernels': by PyTorch.


def _norm(images: Tensor, gain: Tensor, shift: Tensor, *, epsilon: float) -> Tensor:
    return F.group_norm(images, images.shape[1], gain, shift, epsilon)


def _norm_relu_pool(images: Tensor, gain: Tensor, shift: Tensor, *, epsilon: float) -> Tensor:
    return F.avg_pool2d(F.relu(_norm(images, gain, shift, epsilon=epsilon)), 2)


def _first_block(
    images: Tensor,
    weight: Tensor,
    bias: Tensor,
    gain: Tensor,
    shift: Tensor,
    *,
    padding: int,
    epsilon: float,
) -> Tensor:
    convolved = F.conv2d(images, weight, bias, padding=padding)
    return _norm_relu_pool(convolved, gain, shift, epsilon=epsilon)


def _by_pytorch(
    ctx: Any, layers: Callable[..., Any], operands: Sequence[Tensor], grads: Sequence[Tensor]
) -> list[Tensor | None]:
    # The gradients of PyTorch's layers in those of the operands that want one.
    again, wants = torch.is_grad_enabled(), ctx.needs_input_grad[: len(operands)]
    wanted = [each for each, wants_one in zip(operands, wants, strict=True) if wants_one]
    with torch.enable_grad(), torch.autocast("cpu", enabled=False):
        # Not channels last: batches of gradients do not go through that.
        made = layers(*(each.contiguous() for each in operands))
        found = torch.autograd.grad(made, wanted, grads, create_graph=again, allow_unused=True)
    each = iter(found)
    return [next(each) if wants_one else None for wants_one in wants]
