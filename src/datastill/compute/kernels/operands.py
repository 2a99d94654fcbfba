"""What the kernels may be given: everything else is PyTorch's, to compute or to refuse."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

ASKED = {
    torch._C: (
        *("_dispatch_keys", "_is_tracing"),
        *("_are_functorch_transforms_active", "_len_torch_dispatch_stack"),
    ),
    forward_ad: ("_current_level",),
}
"""What kernels ask of PyTorch that it promises nobody: another version may have no answer."""

_keys: Any = getattr(torch._C, "_dispatch_keys", None)
_ORDINARY: int = _keys(torch.empty(0, device="cpu", dtype=torch.float32)).raw_repr() if _keys else 0


def unanswered() -> str:
    """Name the first of these that this PyTorch has no answer to, empty where it has all."""
    lacking = (
        f"{home.__name__}.{name}"
        for home, names in ASKED.items()
        for name in names
        if not hasattr(home, name)
    )
    return next(lacking, "")


def serve(*operands: Tensor | None) -> bool:
    """Tell whether layers of all of them are the kernels' to compute.

    Strides are no matter: the layers bring their operands into the order that kernels read. Other
    types and devices do not serve, nor subclasses, whose meaning is their own, nor what is sparse,
    quantised, nested, packed, wrapped by ``torch.func``, or stands for other numbers than those
    that lie there. None, a bias that there is not, serves.
    """
    return (
        compute(*operands)
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._is_tracing()
        and not torch.compiler.is_compiling()
    )


def compute(*operands: Tensor | None) -> bool:
    """Tell whether all are float32 numbers in the memory of a CPU, and nothing else is asked for.

    As a layer's gradients may ask, which no lower precision concerns.
    """
    return (
        all(each is None or _ordinary(each) for each in operands)
        and forward_ad._current_level < 0  # no tangents beside the numbers
        and not torch._C._are_functorch_transforms_active()
        and not torch._C._len_torch_dispatch_stack()  # nobody who watches PyTorch's operations
    )


def _ordinary(operand: Tensor) -> bool:
    return (
        type(operand) in (Tensor, nn.Parameter)
        and operand.dtype is torch.float32
        # Whatever is more than numbers in memory has a key of its own, by which PyTorch tells.
        and not _keys(operand).raw_repr() & ~_ORDINARY
    )


def vectors(channels: int, *operands: Tensor | None) -> bool:
    """Tell whether all have a number for each channel; None, where there is none, has."""
    return all(each is None or each.shape == (channels,) for each in operands)


def blank(n: int, channels: int, height: int, width: int) -> Tensor:
    """Return room for ``(n, channels, height, width)`` numbers, channels last."""
    form = torch.channels_last
    return torch.empty(
        *(n, channels, height, width), dtype=torch.float32, device="cpu", memory_format=form
    )


def room(*shape: int) -> Tensor:
    """Return room for numbers, one after the other, whatever PyTorch's defaults are."""
    return torch.empty(shape, dtype=torch.float32, device="cpu")


def channels_last(images: Tensor) -> Tensor:
    """Return ``(N, C, H, W)`` images channels last in memory: themselves, or a copy."""
    # `is_contiguous` says yes to both formats where there is one pixel, or one channel: so ask for
    # the strides themselves.
    n, channels, height, width = images.shape
    if images.stride() == (channels * height * width, 1, channels * width, channels):
        return images
    return blank(n, channels, height, width).copy_(images)
