"""The kernels as differentiable layers: float32 on a CPU.

Each takes the library that it is computed by last, and hands it to its gradients: a pass that
began with one set of instructions ends with it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from datastill.kernels.library import Library


class Convolution(Function):
    """A 3x3 convolution of stride 1 and padding 1, which can be differentiated any number of times.

    Images ``(N, in, H, W)``, weight ``(out, in, 3, 3)``, bias ``(out,)`` or None.
    """

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, by: Library
    ) -> Tensor:
        # What was given, not a copy: a second derivative follows it back.
        ctx.save_for_backward(images, weight)
        ctx.by = by
        return _convolve(by, images, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        images, weight = ctx.saved_tensors
        (grad,) = grads
        wants_images, wants_weight, wants_bias, _ = ctx.needs_input_grad
        return (
            TurnedConvolution.apply(grad, weight, ctx.by) if wants_images else None,
            Correlation.apply(images, grad, ctx.by) if wants_weight else None,
            grad.sum((0, 2, 3)) if wants_bias else None,
            None,
        )


class TurnedConvolution(Function):
    """The gradient of a convolution in its images: ``(N, out, H, W)`` to ``(N, in, H, W)``."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, weight: Tensor, by: Library) -> Tensor:
        ctx.save_for_backward(grad, weight)
        ctx.by = by
        return _convolve(by, grad, weight, None, turned=True)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        grad, weight = ctx.saved_tensors
        (again,) = grads
        return (
            Convolution.apply(again, weight, None, ctx.by) if ctx.needs_input_grad[0] else None,
            Correlation.apply(again, grad, ctx.by) if ctx.needs_input_grad[1] else None,
            None,
        )


class Correlation(Function):
    """The gradient of a convolution in its weight: images and their gradients to its shape."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, grad: Tensor, by: Library) -> Tensor:
        ctx.save_for_backward(images, grad)
        ctx.by = by
        images, grad = _channels_last(images), _channels_last(grad)
        n, height, width = images.shape[0], *images.shape[2:]
        inputs, outputs = images.shape[1], grad.shape[1]
        points = torch.empty(36, outputs, inputs)
        weight = torch.empty(outputs, inputs, 3, 3)
        ctx.by.call("convolve_back", images, grad, points, n, height, width, inputs, outputs)
        ctx.by.call("gather_weights", points, weight, outputs, inputs)
        return weight

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        images, grad = ctx.saved_tensors
        (weight,) = grads
        return (
            TurnedConvolution.apply(grad, weight, ctx.by) if ctx.needs_input_grad[0] else None,
            Convolution.apply(images, weight, None, ctx.by) if ctx.needs_input_grad[1] else None,
            None,
        )


class InstanceNorm(Function):
    """Instance norm of ``(N, C, H, W)`` images, with gain and shift ``(C,)``."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, gain: Tensor, shift: Tensor, epsilon: float, by: Library
    ) -> Tensor:
        images = _channels_last(images)
        n, channels, height, width = images.shape
        made, statistics = _blank(*images.shape), torch.empty(n, 2, channels)
        given = (images, gain, shift, made, statistics)
        by.call("norm", *given, n, height * width, channels, epsilon)
        ctx.save_for_backward(images, gain, statistics)
        ctx.by = by
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        images, gain, statistics = ctx.saved_tensors
        n, channels, height, width = images.shape
        found, sums = _blank(*images.shape), torch.empty(n, 2, channels)
        given = (images, gain, statistics, _channels_last(grads[0]), found, sums)
        ctx.by.call("norm_back", *given, n, height * width, channels)
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
        given = _channels_last(images)
        n, channels, height, width = given.shape
        pools = _blank(n, channels, height // 2, width // 2)
        statistics = torch.empty(n, 2, channels)
        values = (given, gain, shift, pools, statistics, n, height, width, channels, epsilon)
        by.call("normalise", *values)
        ctx.save_for_backward(images, gain, shift, statistics)
        ctx.by = by
        return pools

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,) = grads
        found: Any = NormReluPoolBack.apply(*ctx.saved_tensors, grad, ctx.by)
        return *found, None, None


class NormReluPoolBack(Function):
    """The gradients of ``NormReluPool`` in images, gain and shift."""

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        gain: Tensor,
        shift: Tensor,
        statistics: Tensor,
        grad: Tensor,
        by: Library,
    ) -> tuple[Tensor, Tensor, Tensor]:
        images, grad = _channels_last(images), _channels_last(grad)
        n, channels, height, width = images.shape
        found, sums = _blank(*images.shape), torch.empty(n, 2, channels)
        given = (images, gain, shift, statistics, grad, found, sums)
        by.call("normalise_back", *given, n, height, width, channels)
        ctx.save_for_backward(images, gain, shift, statistics, grad)
        ctx.by = by
        shifts, gains = sums.sum(0)
        return found, gains, shifts

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        images, gain, shift, statistics, grad = ctx.saved_tensors
        again, gains, shifts = grads
        n, channels, height, width = images.shape
        in_images, in_grad = _blank(*images.shape), _blank(*grad.shape)
        in_gain = torch.empty(n, channels)
        seen = (images, gain, shift, statistics, grad, _channels_last(again))
        sums = (gains.contiguous(), shifts.contiguous())
        made = (in_images, in_grad, in_gain)
        ctx.by.call("normalise_back_again", *seen, *sums, *made, n, height, width, channels)
        return in_images, in_gain.sum(0), None, None, in_grad, None


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
        images = images.contiguous()
        taps = weight.flatten(1).T.contiguous()
        (n, inputs, height, width), outputs = images.shape, weight.shape[0]
        ctx.sizes = (n, height, width, inputs, outputs, padding, epsilon)
        pools = _blank(n, outputs, (height + 2 * padding - 2) // 2, (width + 2 * padding - 2) // 2)
        by.call("first_block", images, taps, bias, gain, shift, pools, *ctx.sizes)
        ctx.save_for_backward(images, taps, bias, gain, shift)
        ctx.by = by
        return pools

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        images, taps, bias, gain, shift = ctx.saved_tensors
        n, inputs, outputs = images.shape[0], images.shape[1], taps.shape[1]
        sums = torch.empty(n, 9 * inputs + 2, outputs)
        found = torch.empty_like(images) if ctx.needs_input_grad[0] else None
        given = (images, taps, bias, gain, shift, _channels_last(grads[0]), sums, found)
        ctx.by.call("first_block_back", *given, *ctx.sizes)
        total = sums.sum(0)
        weights = total[:-2].T.reshape(outputs, inputs, 3, 3)
        return found, weights, torch.zeros_like(bias), total[-1], total[-2], *[None] * 3


def convolve_few(
    images: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int]
) -> Tensor:
    """Convolve ``(N, in, H, W)`` images of few channels by ``(out, in, 3, 3)``, channels last.

    By a matrix product, whose gradients of any order are channels last as well, as the kernels
    behind it want them.
    """
    rows, columns = (
        side + 2 * pad - 2 for side, pad in zip(images.shape[2:], padding, strict=True)
    )
    patches = F.unfold(images, 3, padding=padding).transpose(1, 2)
    found = F.linear(patches.contiguous(), weight.flatten(1), bias)
    return found.unflatten(1, (rows, columns)).movedim(-1, 1)


def _convolve(
    by: Library, images: Tensor, weight: Tensor, bias: Tensor | None, *, turned: bool = False
) -> Tensor:
    outputs, inputs = weight.shape[:2]
    points = torch.empty(36, outputs, inputs) if turned else torch.empty(36, inputs, outputs)
    by.call("transform_weights", weight.contiguous(), points, outputs, inputs, int(turned))
    images, (n, deep, height, width) = _channels_last(images), images.shape
    wide = inputs if turned else outputs
    made = _blank(n, wide, height, width)
    by.call("convolve", images, points, bias, made, n, height, width, deep, wide)
    return made


def _blank(n: int, channels: int, height: int, width: int) -> Tensor:
    return torch.empty(n, channels, height, width, memory_format=torch.channels_last)


def _channels_last(images: Tensor) -> Tensor:
    # `is_contiguous` says yes to both formats where there is one pixel, or one channel: so ask for
    # the strides themselves.
    n, channels, height, width = images.shape
    if images.stride() == (channels * height * width, 1, channels * width, channels):
        return images
    return _blank(n, channels, height, width).copy_(images)
