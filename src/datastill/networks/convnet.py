"""ConvNet: the small network on which dataset distillation is measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import nn

from datastill.base.errors import InputError
from datastill.data import Domain
from datastill.networks.base import NETWORKS, Family, Network

Norm = Literal["none", "batch", "layer", "instance", "group"]
Activation = Literal["sigmoid", "relu", "leaky", "swish"]
Pooling = Literal["none", "max", "average"]

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.01),
    "swish": nn.SiLU,
}


def convnet(
    domain: Domain,
    *,
    width: int = 128,
    depth: int = 3,
    norm: Norm = "instance",
    activation: Activation = "relu",
    pooling: Pooling = "average",
) -> Network:
    """Build blocks of 3x3 convolution, norm, activation and 2x2 pooling, and a linear head.

    The first convolution is padded by 3 when the image has one channel and 28 pixels, so that
    the pooled sizes are those of 32 pixels; all others by 1. The defaults are the network of
    Gidaris and Komodakis (CVPR 2018) as Dataset Condensation uses it.

    Args:
        domain: of the images.
        width: channels of every block.
        depth: number of blocks.
        norm: ``"instance"`` is a group norm with one channel a group, ``"group"`` has 4 groups.
        activation: of every block.
        pooling: of every block.

    Raises:
        InputError: when pooling would leave nothing of the image.
    """
    channels, height, breadth = domain.shape
    blocks: list[nn.Module] = []
    for block in range(depth):
        padding = 3 if block == 0 and domain.shape == (1, 28, 28) else 1
        height, breadth = height + 2 * padding - 2, breadth + 2 * padding - 2
        blocks.append(nn.Conv2d(channels, width, 3, padding=padding))
        blocks += _norm(norm, (width, height, breadth))
        blocks.append(ACTIVATIONS[activation]())
        if pooling != "none":
            blocks.append(nn.AvgPool2d(2) if pooling == "average" else nn.MaxPool2d(2))
            height, breadth = height // 2, breadth // 2
        channels = width
    if min(height, breadth) == 0:
        raise InputError(
            f"a ConvNet of depth {depth} needs images of at least {2**depth} pixels; "
            f"{domain.name} has {domain.shape[1]}x{domain.shape[2]}"
        )
    head = nn.Linear(width * height * breadth, len(domain.classes))
    return Network(nn.Sequential(*blocks), head)


def _norm(norm: Norm, shape: tuple[int, int, int]) -> list[nn.Module]:
    width = shape[0]
    if norm == "none":
        return []
    if norm == "batch":
        return [nn.BatchNorm2d(width)]
    if norm == "layer":
        return [nn.LayerNorm(list(shape))]
    return [nn.GroupNorm(width if norm == "instance" else 4, width)]


SUFFIXES = {
    **{f"D{depth}": {"depth": depth} for depth in range(1, 6)},
    **{f"W{width}": {"width": width} for width in (16, 32, 64, 128, 256, 512, 1024)},
    "AS": {"activation": "sigmoid"},
    "AR": {"activation": "relu"},
    "AL": {"activation": "leaky"},
    "ASwish": {"activation": "swish"},
    "NN": {"norm": "none"},
    "BN": {"norm": "batch"},
    "LN": {"norm": "layer"},
    "IN": {"norm": "instance"},
    "GN": {"norm": "group"},
    "NP": {"pooling": "none"},
    "MP": {"pooling": "max"},
    "AP": {"pooling": "average"},
}

NETWORKS.register("ConvNet")(Family(convnet, SUFFIXES))
