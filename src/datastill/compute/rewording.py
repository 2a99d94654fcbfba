"""Layers in other words: the same up to rounding, by operations that a GPU may do faster.

Which is faster is measured, see ``route.candidates``. On a GPU PyTorch's own kernels take a norm of
each image and channel at a ninth of what its memory allows, and the gradient of a mean over 2x2
pixels at a twentieth (docs/speed.md).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Reworded(TorchFunctionMode):
    """Says group norms and means over 2x2 pixels in other words."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func is F.group_norm:
            return group_norm(*args, **given)
        if func is F.avg_pool2d and halves(*args, **given):
            return halved(args[0])
        return func(*args, **given)


def group_norm(
    images: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Do what ``F.group_norm`` does, as a norm of rows.

    >>> images = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    >>> torch.allclose(group_norm(images, 2), F.group_norm(images, 2), atol=1e-6)
    True
    """
    rows = images.unflatten(1, (num_groups, -1))
    found = F.layer_norm(rows, rows.shape[2:], eps=eps).flatten(1, 2)
    each = (-1, *(1,) * (images.ndim - 2))
    if weight is not None:
        weight = weight.reshape(each)
        if bias is not None:
            return torch.addcmul(bias.reshape(each), found, weight)
        return found * weight
    return found if bias is None else found + bias.reshape(each)


def halves(
    images: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> bool:
    """Tell whether an average over windows is one of 2x2 pixels side by side, without a rest.

    >>> images = torch.zeros(1, 1, 4, 6)
    >>> halves(images, 2), halves(images, 2, 1), halves(images[..., :5], 2), halves(images, (2, 3))
    (True, False, False, False)
    """
    del ceil_mode, count_include_pad  # without a rest and without an edge they change nothing
    windows = [
        (both, both) if isinstance(both, int) else tuple(both)
        for both in (kernel_size, stride or kernel_size, padding)
    ]
    even = all(side % 2 == 0 for side in images.shape[-2:])
    return windows == [(2, 2), (2, 2), (0, 0)] and even and divisor_override is None


def halved(images: Tensor) -> Tensor:
    """Return the means over 2x2 pixels.

    >>> halved(torch.arange(8.0).reshape(1, 1, 2, 4)).tolist()
    [[[[2.5, 4.5]]]]
    """
    return images.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2)).mean((-3, -1))
