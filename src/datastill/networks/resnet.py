"""ResNet18 for small images: residual blocks, halved by strides or by average pooling."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

from datastill.data import Domain
from datastill.networks.base import (
    NETWORKS,
    Family,
    Network,
    Norm,
    instance_norm,
    require_size,
)
from datastill.networks.base.network import Stages


class Residual(nn.Module):
    """The rectified sum of two ways through: ``relu(main(x) + shortcut(x))``."""

    def __init__(self, main: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.main, self.shortcut = main, shortcut

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to the shape that both ways agree on."""
        return (self.main(maps) + self.shortcut(maps)).relu()


def resnet18(domain: Domain, *, norm: Norm = instance_norm, pooled: bool = False) -> Network:
    """Build a 3x3 convolution, four stages of two residual blocks, and a linear head.

    Every stage but the first halves the image: by strides, and the head sees the mean over the
    last map; or, ``pooled``, by average pooling, and the head sees the whole last map.

    Args:
        domain: of the images.
        norm: after every convolution.
        pooled: whether average pooling takes the place of strides.

    Raises:
        InputError: when nothing would be left of the image, or one pixel for an instance norm.

    Reference:
        He, Zhang, Ren and Sun, Deep Residual Learning for Image Recognition, CVPR 2016; pooled
        by Zhao, Mopuri and Bilen, Dataset Condensation with Gradient Matching, ICLR 2021.
    """
    # An instance norm maps a single pixel to zero, so that no image would differ from another.
    last = 2 if norm is instance_norm else 1
    name, least = ("ResNet18_AP", 8 * last) if pooled else ("ResNet18", 8 * last - 7)
    require_size(name, domain, least)
    layers = [*_convolution(domain.shape[0], 64, 3, norm), nn.ReLU()]
    stages = Stages(tuple(len(layers) + 2 * stage for stage in (1, 2, 3, 4)), 4)
    widths = (64, 64, 64, 128, 128, 256, 256, 512, 512)
    for inputs, width in pairwise(widths):
        layers.append(_block(inputs, width, norm, pooled=pooled))
    if not pooled:
        layers.append(nn.AdaptiveAvgPool2d(1))
    pixels = math.prod(side // 8 for side in domain.shape[1:]) if pooled else 1
    return Network(nn.Sequential(*layers), nn.Linear(512 * pixels, len(domain.classes)), stages)


def _block(inputs: int, width: int, norm: Norm, *, pooled: bool) -> Residual:
    halves = inputs != width
    stride = 2 if halves and not pooled else 1
    pooling = [nn.AvgPool2d(2)] if halves and pooled else []
    first = [*_convolution(inputs, width, 3, norm, stride=stride), nn.ReLU(), *pooling]
    main = nn.Sequential(*first, *_convolution(width, width, 3, norm))
    if not halves:
        return Residual(main, nn.Identity())
    convolution, scale = _convolution(inputs, width, 1, norm, stride=stride)
    return Residual(main, nn.Sequential(convolution, *pooling, scale))


def _convolution(
    inputs: int, width: int, size: int, norm: Norm, *, stride: int = 1
) -> list[nn.Module]:
    # Without a bias, which the norm would take away.
    return [
        nn.Conv2d(inputs, width, size, stride=stride, padding=size // 2, bias=False),
        norm(width),
    ]


SUFFIXES = {"BN": {"norm": nn.BatchNorm2d}, "_AP": {"pooled": True}}

NETWORKS.register("ResNet18")(Family(resnet18, SUFFIXES))
