"""3x3 convolutions by the kernels, and their gradients of any order; see also ``layers``."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from datastill.compute.kernels.library import Library
from datastill.compute.kernels.operands import blank, channels_last, compute, room


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
            _turn(grad, weight, ctx.by) if wants_images else None,
            _correlate(images, grad, ctx.by) if wants_weight else None,
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
            _forth(again, weight, ctx.by) if ctx.needs_input_grad[0] else None,
            _correlate(again, grad, ctx.by) if ctx.needs_input_grad[1] else None,
            None,
        )


class Correlation(Function):
    """The gradient of a convolution in its weight: images and their gradients to its shape."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, grad: Tensor, by: Library) -> Tensor:
        ctx.save_for_backward(images, grad)
        ctx.by = by
        images, grad = channels_last(images), channels_last(grad)
        n, height, width = images.shape[0], *images.shape[2:]
        inputs, outputs = images.shape[1], grad.shape[1]
        points = room(36, outputs, inputs)
        weight = room(outputs, inputs, 3, 3)
        by.call("convolve_back", images, grad, points, n, height, width, inputs, outputs)
        by.call("gather_weights", points, weight, outputs, inputs)
        return weight

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        images, grad = ctx.saved_tensors
        (weight,) = grads
        return (
            _turn(grad, weight, ctx.by) if ctx.needs_input_grad[0] else None,
            _forth(images, weight, ctx.by) if ctx.needs_input_grad[1] else None,
            None,
        )


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
    points = room(36, outputs, inputs)
    by.call("transform_weights", weight.contiguous(), points, outputs, inputs, int(turned))
    images, (n, deep, height, width) = channels_last(images), images.shape
    wide = inputs if turned else outputs
    made = blank(n, wide, height, width)
    shift = None if bias is None else bias.contiguous()
    by.call("convolve", images, points, shift, made, n, height, width, deep, wide)
    return made


def _forth(images: Tensor, weight: Tensor, by: Library) -> Any:
    if compute(images, weight):
        return Convolution.apply(images, weight, None, by)
    return F.conv2d(images, weight, padding=1)


def _turn(grad: Tensor, weight: Tensor, by: Library) -> Any:
    if compute(grad, weight):
        return TurnedConvolution.apply(grad, weight, by)
    return F.conv_transpose2d(grad, weight, padding=1)


def _correlate(images: Tensor, grad: Tensor, by: Library) -> Any:
    if compute(images, grad):
        return Correlation.apply(images, grad, by)
    return F.conv2d(images.transpose(0, 1), grad.transpose(0, 1), padding=1).transpose(0, 1)
