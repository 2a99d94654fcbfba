"""ConvNet: the small network on which dataset distillation is measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from torch import nn

from datastill.base.errors import InputError
from datastill.data import Domain
from datastill.networks.base import NETWORKS, Family, Network
from datastill.networks.base.network import Stages

Norm = Literal["none", "batch", "layer", "instance", "group"]
Activation = Literal["sigmoid", "relu", "leaky", "swish"]
Pooling = Literal["none", "max", "average"]

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.01),
    "swish": nn.SiLU,
}
POOLINGS: dict[Pooling, Callable[[int], nn.Module]] = {
    "max": nn.MaxPool2d,
    "average": nn.AvgPool2d,
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

    The first convolution is padded by 3 when the image has one channel and 28 pixels, so that the
    pooled sizes are those of 32 pixels; all others by 1. The defaults are the network of Gidaris
    and Komodakis (CVPR 2018) as Dataset Condensation uses it.

    Args:
        domain: of the images.
        width: channels of every block.
        depth: number of blocks.
        norm: ``"instance"`` is a group norm with one channel a group, ``"group"`` has 4 groups.
        activation: of every block; so is the next.
        pooling: by 2x2 pixels.

    Raises:
        InputError: when pooling would leave nothing of the image.
    """
    channels, *sides = domain.shape
    blocks: list[nn.Module] = []
    for block in range(depth):
        padding = 3 if block == 0 and domain.shape == (1, 28, 28) else 1
        sides = [side + 2 * padding - 2 for side in sides]
        convolution = nn.Conv2d(width if block else channels, width, 3, padding=padding)
        blocks += [convolution, *_norm(norm, width, sides), ACTIVATIONS[activation]()]
        if pooling != "none":
            blocks.append(POOLINGS[pooling](2))
            sides = [side // 2 for side in sides]
    if min(sides) == 0:
        raise _too_small(depth, domain)
    head = nn.Linear(width * math.prod(sides), len(domain.classes))
    return Network(nn.Sequential(*blocks), head, _stages(len(blocks), depth))


def _too_small(depth: int, domain: Domain) -> InputError:
    needed = f"a ConvNet of depth {depth} needs images of at least {2**depth} pixels"
    return InputError(f"{needed}; {domain.name} has {domain.shape[1]}x{domain.shape[2]}")


def _stages(layers: int, depth: int) -> Stages:
    # A block each; all have the same number of layers.
    each = layers // depth
    return Stages(tuple(range(each, layers + 1, each)), max(1, depth - 1))


def _norm(norm: Norm, width: int, sides: list[int]) -> list[nn.Module]:
    if norm == "none":
        return []
    if norm == "batch":
        return [nn.BatchNorm2d(width)]
    if norm == "layer":
        return [nn.LayerNorm([width, *sides])]
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
