"""A library is tried on one tile, every kernel of it, before it is trusted."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from datastill.compute.kernels.convolution import Convolution
from datastill.compute.kernels.layers import FirstBlock, InstanceNorm, NormReluPool
from datastill.compute.kernels.library import Library

Layer = Callable[..., Tensor]
EPSILON = 1e-5
CLOSE = 1e-3
"""Apart from double precision, of the largest number: rounding is far below, a mistake above."""


def failing(by: Library) -> str:
    """Return the name of a layer that a library computes wrongly, empty where there is none.

    In a thread of its own, in which nothing is switched on that whoever asks may have.
    """
    with ThreadPoolExecutor(1) as one:
        return one.submit(_failing, by).result()


def _failing(by: Library) -> str:
    tile, convolved = _numbers(1, by.lanes, 4, 4), _numbers(1, 2 * by.lanes, 4, 4)
    vector, wide = _numbers(by.lanes), _numbers(2 * by.lanes)
    square, few = _numbers(2 * by.lanes, 2 * by.lanes, 3, 3), _numbers(by.lanes, 1, 3, 3)
    first = [_numbers(1, 1, 4, 4), few, vector, vector, vector]
    # The kernel, what follows its operands, PyTorch's layers, and the operands.
    trials: list[tuple[str, type[Function], tuple[Any, ...], Layer, list[Tensor]]] = [
        ("convolution", Convolution, (by,), _convolved, [convolved, square, wide]),
        ("norm, relu and pooling", NormReluPool, (EPSILON, by), _pooled, [tile, vector, vector]),
        ("instance norm", InstanceNorm, (EPSILON, by), _normed, [tile, vector, vector]),
        ("first block", FirstBlock, (1, EPSILON, by), _first_block, first),
    ]
    for number, (name, kernel, rest, theirs, given) in enumerate(trials):
        if _differ(partial(_applied, kernel, rest), theirs, given, twice=number < 2):
            return name
    return "wide first block" if _folds_wrongly(by) else ""


def _folds_wrongly(by: Library) -> bool:
    # Whether a first block of many channels, whose image wants no gradient, is another.
    channels = by.instructions.folded
    if not channels:
        return False
    image, vector = _numbers(1, 1, 6, 6), _numbers(channels)
    given = [_numbers(channels, 1, 3, 3), vector, vector, vector]
    ours = partial(_applied, FirstBlock, (1, EPSILON, by), image)
    theirs = partial(_first_block, image.double())
    return _differ(ours, theirs, given, twice=False)


def _differ(ours: Layer, theirs: Layer, given: list[Tensor], *, twice: bool) -> bool:
    found = _everything(ours, given, twice=twice)
    wanted = _everything(theirs, [each.double() for each in given], twice=twice)
    return not all(map(_agree, found, wanted))


def _everything(layer: Layer, given: list[Tensor], *, twice: bool) -> list[Tensor]:
    # What a layer makes, its gradients, and if it can be differentiated twice those of these.
    given = [each.clone().requires_grad_() for each in given]
    made = layer(*given)
    once = torch.autograd.grad(_weighed(made), given, create_graph=twice)
    if not twice:
        return [made, *once]
    total = torch.stack([_weighed(each.square()) for each in once]).sum()
    return [made, *once, *torch.autograd.grad(total, given, materialize_grads=True)]


def _weighed(values: Tensor) -> Tensor:
    # A weight of its own for each number: what is symmetric would hide mistakes.
    return (values * _numbers(*values.shape).to(values)).sum()


def _agree(found: Tensor, wanted: Tensor) -> bool:
    apart = (found.double() - wanted).abs().max()
    return bool(apart <= CLOSE * wanted.abs().max().clamp(min=1.0))


def _numbers(*shape: int) -> Tensor:
    # Between -1 and 1, without a generator.
    count = torch.Size(shape).numel()
    return torch.arange(1, count + 1, dtype=torch.float64).mul(1.7).sin().view(shape).float()


def _applied(kernel: type[Function], rest: tuple[Any, ...], *operands: Tensor) -> Tensor:
    made: Any = kernel.apply(*operands, *rest)
    return made


def _convolved(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(images, weight, bias, padding=1)


def _normed(images: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    return F.group_norm(images, images.shape[1], gain, shift, EPSILON)


def _pooled(images: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    return F.avg_pool2d(F.relu(_normed(images, gain, shift)), 2)


def _first_block(
    images: Tensor, weight: Tensor, bias: Tensor, gain: Tensor, shift: Tensor
) -> Tensor:
    return _pooled(_convolved(images, weight, bias), gain, shift)
