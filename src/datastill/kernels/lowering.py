"""Run a network by the kernels wherever they serve, and as it is where they do not."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from datastill.kernels.layers import (
    Convolution,
    FirstBlock,
    InstanceNorm,
    NormReluPool,
    convolve_few,
)
from datastill.kernels.library import Library, library
from datastill.network import passing

FIRST_CHANNELS = 4
"""A first block takes at most so many: each of its weights is read for every pixel."""


@contextlib.contextmanager
def lowered(*, twice: bool = False) -> Generator[None]:
    """Let networks run by the kernels inside the ``with`` block, on a CPU and in float32.

    The blocks of a ``Network`` are recognised, of others single convolutions. Where kernels cannot
    be used (see ``missing``) everything runs as it is.

    Args:
        twice: what is computed shall be differentiable twice, which a first block in one go and a
            norm alone are not.
    """
    by = library()
    if by is None:
        yield
        return
    with Lowered(by, twice=twice), passing(partial(_body, by=by, twice=twice)):
        yield


class Lowered(TorchFunctionMode):
    """Makes 3x3 convolutions and instance norms on a CPU the kernels'."""

    def __init__(self, by: Library, *, twice: bool) -> None:
        super().__init__()
        self.by, self.twice = by, twice

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d and not kwargs and _serves(self.by, *args):
            return Convolution.apply(*args[:3], self.by)
        if func is torch.conv2d and not kwargs and self.twice and _is_first(*args):
            images, weight, bias, _, padding = args[:5]
            return convolve_few(images, weight, bias, padding)
        if func is F.group_norm and not self.twice:
            found = _instance_norm(self.by, *args, **(kwargs or {}))
            if found is not None:
                return found
        return func(*args, **(kwargs or {}))


def _three_by_three(
    images: Tensor,
    weight: Tensor,
    _bias: Tensor | None = None,
    stride: Any = 1,
    _padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> bool:
    return (
        _plain(images)
        and _plain(weight)
        and weight.shape[2:] == (3, 3)
        and (stride, dilation, groups) == ((1, 1), (1, 1), 1)
    )


def _serves(by: Library, images: Tensor, weight: Tensor, *others: Any) -> bool:
    return (
        _three_by_three(images, weight, *others)
        and weight.shape[0] % (2 * by.lanes) == 0
        and weight.shape[1] % (2 * by.lanes) == 0
        and others[2] == (1, 1)
    )


def _is_first(images: Tensor, weight: Tensor, *others: Any) -> bool:
    return (
        _three_by_three(images, weight, *others)
        and weight.shape[1] <= FIRST_CHANNELS
        and isinstance(others[2], tuple)
    )


def _instance_norm(
    by: Library,
    input: Tensor,  # the names that F.group_norm has, which hands on some by them
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor | None:
    serves = (
        input.ndim == 4
        and _plain(input)
        and num_groups == input.shape[1]
        and num_groups % by.lanes == 0
        and weight is not None
        and bias is not None
        and input.shape[2:].numel() > 1
    )
    return InstanceNorm.apply(input, weight, bias, eps, by) if serves else None


def _body(body: nn.Module, x: Tensor, *, by: Library, twice: bool) -> Tensor:
    if not isinstance(body, nn.Sequential):
        return body(x)
    layers, done = list(body), 0
    while done < len(layers):
        first = None if twice else _first_block(by, layers[done : done + 4], x)
        if first is not None:
            conv, norm = first
            weights = (conv.weight, conv.bias, norm.weight, norm.bias)
            x = FirstBlock.apply(x, *weights, conv.padding[0], norm.eps, by)
            done += 4
        elif norm := _norm_relu_pool(by, layers[done : done + 3], x):
            # Once, here: the gradients of the norm need it as well.
            x = x.contiguous(memory_format=torch.channels_last)
            x = NormReluPool.apply(x, norm.weight, norm.bias, norm.eps, by)
            done += 3
        else:
            x = layers[done](x)
            done += 1
    return x


def _first_block(
    by: Library, layers: Sequence[nn.Module], x: Tensor
) -> tuple[nn.Conv2d, nn.GroupNorm] | None:
    match layers:
        case [nn.Conv2d() as conv, *rest] if (norm := _norm_relu_pool(by, rest, x)) is not None:
            serves = (
                conv.in_channels <= FIRST_CHANNELS
                and (conv.kernel_size, conv.stride, conv.dilation) == ((3, 3), (1, 1), (1, 1))
                and conv.padding in ((1, 1), (2, 2), (3, 3))
                and conv.padding_mode == "zeros"
                and conv.bias is not None
            )
            return (conv, norm) if serves else None
        case _:
            return None


def _norm_relu_pool(by: Library, layers: Sequence[nn.Module], x: Tensor) -> nn.GroupNorm | None:
    match layers:
        case [nn.GroupNorm() as norm, nn.ReLU(), nn.AvgPool2d() as pool]:
            serves = (
                norm.num_groups == norm.num_channels
                and norm.num_channels % by.lanes == 0
                and norm.affine
                and (pool.kernel_size, pool.stride, pool.padding) == (2, 2, 0)
                and not pool.ceil_mode
                and pool.divisor_override is None
                and _plain(x)
                and min(x.shape[2:]) >= 2
            )
            return norm if serves else None
        case _:
            return None


def _plain(x: Tensor) -> bool:
    return x.dtype == torch.float32 and x.device.type == "cpu"
