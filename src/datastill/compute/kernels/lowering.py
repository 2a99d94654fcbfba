"""Run a network by the kernels wherever they serve, and as it is where they do not."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import module as modules
from torch.overrides import TorchFunctionMode

from datastill.compute.kernels.convolution import Convolution, convolve_few
from datastill.compute.kernels.layers import FirstBlock, InstanceNorm, NormReluPool
from datastill.compute.kernels.library import Library
from datastill.compute.kernels.operands import serve, vectors
from datastill.compute.kernels.trusted import library
from datastill.networks.base.network import Network, passing

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


def whole(network: nn.Module, images: Tensor) -> bool:
    """Tell whether all that is much to compute of a network is the kernels'.

    That is so of a ``Network`` of blocks of which each is a 3x3 convolution, an instance norm, a
    relu and a pool of 2x2 pixels.

    Args:
        network: any.
        images: ``(N, C, H, W)``, which it is to be shown within ``lowered``.
    """
    by = library()
    if by is None or not _is(network, Network) or not serve(images):
        return False
    parts = cast("Network", network)
    if not (_is(parts.body, nn.Sequential) and _is(parts.head, nn.Linear)):
        return False
    layers = list(cast("nn.Sequential", parts.body))
    blocks = [layers[done : done + 4] for done in range(0, len(layers), 4)]
    return bool(blocks) and all(_steady_block(by, block) for block in blocks)


def _steady_block(by: Library, block: Sequence[nn.Module]) -> bool:
    conv, norm = block[0], _norm_of_pooled(block[1:])
    if norm is None or not isinstance(conv, nn.Conv2d) or not _is(conv, nn.Conv2d):
        return False
    few = conv.in_channels <= FIRST_CHANNELS
    usual = ((3, 3), (1, 1), (1, 1), 1, "zeros")
    return (
        (conv.kernel_size, conv.stride, conv.dilation, conv.groups, conv.padding_mode) == usual
        and conv.padding in (((1, 1), (2, 2), (3, 3)) if few else ((1, 1),))
        and (few or not conv.in_channels % (2 * by.lanes))
        and not conv.out_channels % (2 * by.lanes)
        and conv.bias is not None
        and norm.num_groups == norm.num_channels == conv.out_channels
        and serve(conv.weight, conv.bias, norm.weight, norm.bias)
    )


class Lowered(TorchFunctionMode):
    """Makes 3x3 convolutions and instance norms on a CPU the kernels'."""

    def __init__(self, by: Library, *, twice: bool) -> None:
        super().__init__()
        self.by, self.twice = by, twice

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = None
        if func is torch.conv2d and not kwargs:
            found = _convolution(self.by, *args, twice=self.twice)
        elif func is F.group_norm:
            return _group_norm(None if self.twice else self.by, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {})) if found is None else found


def _convolution(
    by: Library,
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    twice: bool,
) -> Tensor | None:
    # By a kernel, or None: then it is PyTorch's, and so is what to say of operands that do not fit.
    if (stride, dilation, groups) != ((1, 1), (1, 1), 1) or not _three_by_three(
        images, weight, bias
    ):
        return None
    outputs, inputs = weight.shape[:2]
    if not (outputs % (2 * by.lanes) or inputs % (2 * by.lanes)) and padding == (1, 1):
        return Convolution.apply(images, weight, bias, by)
    if twice and inputs <= FIRST_CHANNELS and _covers(images, padding):
        return convolve_few(images, weight, bias, padding)
    return None


def _three_by_three(images: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    return (
        serve(images, weight, bias)
        and images.ndim == weight.ndim == 4
        and images.numel() > 0
        and weight.numel() > 0
        and weight.shape[1:] == (images.shape[1], 3, 3)
        and vectors(weight.shape[0], bias)
    )


def _covers(images: Tensor, padding: Any) -> bool:
    # Whether the padded images have a place for a filter of 3x3.
    return (
        isinstance(padding, tuple)
        and all(type(pad) is int and pad >= 0 for pad in padding)
        and all(side + 2 * pad >= 3 for side, pad in zip(images.shape[2:], padding, strict=True))
    )


def _group_norm(
    by: Library | None,
    input: Tensor,  # the names that F.group_norm has, which hands on some by them
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    if by is not None and weight is not None and bias is not None:
        fits = _norm_fits(by, input, weight, bias) and input.shape[2:].numel() > 1
        if fits and num_groups == input.shape[1]:
            return InstanceNorm.apply(input, weight, bias, float(eps), by)
    if not input.requires_grad:
        # The kernels leave images channels last, for which PyTorch (2.13) ends the process when
        # gradients of weights are wanted and none of images.
        input = input.contiguous()
    return F.group_norm(input, num_groups, weight, bias, eps)


def _norm_fits(by: Library, images: Tensor, gain: Tensor, shift: Tensor) -> bool:
    return (
        serve(images, gain, shift)
        and images.ndim == 4
        and images.numel() > 0
        and images.shape[1] % by.lanes == 0
        and vectors(images.shape[1], gain, shift)
    )


def _body(body: nn.Module, x: Tensor, *, by: Library, twice: bool) -> Tensor:
    if not _is(body, nn.Sequential):
        return body(x)
    layers, done = list(cast("nn.Sequential", body)), 0
    while done < len(layers):
        block = layers[done : done + 4]
        if not twice and (made := _first_block(by, block, x)) is not None:
            x, done = made, done + 4
        elif (made := _norm_relu_pool(by, block[:3], x)) is not None:
            x, done = made, done + 3
        else:
            x, done = layers[done](x), done + 1
    return x


def _first_block(by: Library, layers: Sequence[nn.Module], x: Tensor) -> Tensor | None:
    conv, norm = next(iter(layers), None), _norm_of_pooled(layers[1:])
    if norm is None or not isinstance(conv, nn.Conv2d) or not _is(conv, nn.Conv2d):
        return None
    weights = (conv.weight, conv.bias, norm.weight, norm.bias)
    fits = (
        (conv.stride, conv.dilation, conv.groups) == ((1, 1), (1, 1), 1)
        and conv.padding in ((1, 1), (2, 2), (3, 3))
        and conv.padding_mode == "zeros"
        and conv.bias is not None
        and _three_by_three(x, conv.weight, conv.bias)
        and x.shape[1] <= FIRST_CHANNELS
        and min(x.shape[2:]) + 2 * int(conv.padding[0]) >= 4
        and norm.num_groups == conv.weight.shape[0]
        and norm.num_groups % by.lanes == 0
        and serve(norm.weight, norm.bias)
        and vectors(norm.num_groups, norm.weight, norm.bias)
    )
    return FirstBlock.apply(x, *weights, conv.padding[0], float(norm.eps), by) if fits else None


def _norm_relu_pool(by: Library, layers: Sequence[nn.Module], x: Tensor) -> Tensor | None:
    norm = _norm_of_pooled(layers)
    if norm is None or not _norm_fits(by, x, norm.weight, norm.bias):
        return None
    if norm.num_groups != x.shape[1] or min(x.shape[2:]) < 2:
        return None
    # Once, here: the gradients of the norm need it as well.
    x = x.contiguous(memory_format=torch.channels_last)
    return NormReluPool.apply(x, norm.weight, norm.bias, float(norm.eps), by)


def _norm_of_pooled(layers: Sequence[nn.Module]) -> nn.GroupNorm | None:
    # The norm, where a relu and the mean of every 2x2 pixels follow it.
    match layers:
        case [nn.GroupNorm() as norm, nn.ReLU() as relu, nn.AvgPool2d() as pool]:
            fits = (
                _is(norm, nn.GroupNorm)
                and _is(relu, nn.ReLU)
                and _is(pool, nn.AvgPool2d)
                and cast("Tensor | None", norm.weight) is not None
                and cast("Tensor | None", norm.bias) is not None
                and (pool.kernel_size, pool.stride, pool.padding) == (2, 2, 0)
                and not pool.ceil_mode
                and pool.divisor_override is None
            )
            return norm if fits else None
        case _:
            return None


GLOBAL_HOOKS = tuple(
    f"_global_{hooks}"
    for hooks in (
        *("forward_hooks", "forward_pre_hooks", "forward_hooks_always_called"),
        *("forward_hooks_with_kwargs", "backward_hooks", "backward_pre_hooks"),
    )
)
"""Those of all modules; which there are differs between versions of PyTorch."""

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def _is(layer: nn.Module, kind: type[nn.Module]) -> bool:
    # Nothing but a layer of its kind: a subclass may do anything, and hooks want to see it run.
    return (
        type(layer) is kind
        and "forward" not in vars(layer)
        and not any(getattr(layer, hooks) for hooks in HOOKS)
        and not any(vars(modules).get(hooks) for hooks in GLOBAL_HOOKS)
    )
