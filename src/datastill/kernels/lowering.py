"""Run a network by the kernels wherever they serve, and as it is where they do not."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from datastill.kernels.layers import LANES, Convolution, FirstBlock, NormReluPool
from datastill.network import passing

FIRST_CHANNELS = 4
"""A first block takes at most so many: each of its weights is read for every pixel."""


@contextlib.contextmanager
def lowered(*, twice: bool = False) -> Generator[None]:
    """Let networks run by the kernels inside the ``with`` block, on a CPU and in float32.

    The blocks of a ``Network`` are recognised, of others single convolutions.

    Args:
        twice: what is computed shall be differentiable twice, which blocks in one go are not.
    """
    with Lowered(), contextlib.nullcontext() if twice else passing(_body):
        yield


class Lowered(TorchFunctionMode):
    """Makes 3x3 convolutions on a CPU the kernels'."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d and not kwargs and _serves(*args):
            return Convolution.apply(*args[:3])
        return func(*args, **(kwargs or {}))


def _serves(
    images: Tensor,
    weight: Tensor,
    _bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> bool:
    return (
        _plain(images)
        and _plain(weight)
        and weight.shape[2:] == (3, 3)
        and weight.shape[0] % (2 * LANES) == 0
        and weight.shape[1] % (2 * LANES) == 0
        and (stride, padding, dilation, groups) == ((1, 1), (1, 1), (1, 1), 1)
    )


def _body(body: nn.Module, x: Tensor) -> Tensor:
    if not isinstance(body, nn.Sequential):
        return body(x)
    layers, done = list(body), 0
    while done < len(layers):
        if found := _first_block(layers[done : done + 4], x):
            conv, norm = found
            weights = (conv.weight, conv.bias, norm.weight, norm.bias)
            x = FirstBlock.apply(x, *weights, conv.padding[0], norm.eps)
            done += 4
        elif norm := _norm_relu_pool(layers[done : done + 3], x):
            x = NormReluPool.apply(x, norm.weight, norm.bias, norm.eps)
            done += 3
        else:
            x = layers[done](x)
            done += 1
    return x


def _first_block(layers: Sequence[nn.Module], x: Tensor) -> tuple[nn.Conv2d, nn.GroupNorm] | None:
    match layers:
        case [nn.Conv2d() as conv, *rest] if (norm := _norm_relu_pool(rest, x)) is not None:
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


def _norm_relu_pool(layers: Sequence[nn.Module], x: Tensor) -> nn.GroupNorm | None:
    match layers:
        case [nn.GroupNorm() as norm, nn.ReLU(), nn.AvgPool2d() as pool]:
            serves = (
                norm.num_groups == norm.num_channels
                and norm.num_channels % LANES == 0
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
