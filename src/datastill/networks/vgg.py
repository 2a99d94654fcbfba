"""VGG: stages of 3x3 convolutions, each of which halves the image."""

from __future__ import annotations

import math
from functools import partial

from torch import nn

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

WIDTHS = (64, 128, 256, 512, 512)
STAGES = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


def vgg(domain: Domain, *, depth: int, norm: Norm = instance_norm) -> Network:
    """Build five stages of 3x3 convolution, norm and ReLU with max pooling, and a linear head.

    The first convolution is padded by 3 when the image has one channel and 28 pixels, so that
    the pooled sizes are those of 32 pixels; all others by 1.

    Args:
        domain: of the images.
        depth: layers with weights, of which the head counts as three: 11, 13, 16 or 19.
        norm: after every convolution.

    Raises:
        InputError: when the last pooling would leave nothing of the image.

    Reference:
        Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image
        Recognition, ICLR 2015.
    """
    channels, *sides = domain.shape
    padding = 3 if domain.shape == (1, 28, 28) else 1
    require_size(f"VGG{depth}", domain, 34 - 2 * padding)
    pixels = math.prod((side + 2 * padding - 2) // 32 for side in sides)
    layers: list[nn.Module] = []
    ends: list[int] = []
    for width, count in zip(WIDTHS, STAGES[depth], strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=padding), norm(width), nn.ReLU()]
            channels, padding = width, 1
        layers.append(nn.MaxPool2d(2))
        ends.append(len(layers))
    head = nn.Linear(channels * pixels, len(domain.classes))
    return Network(nn.Sequential(*layers), head, Stages(tuple(ends), 4))


def _family(depth: int) -> Family:
    return Family(partial(vgg, depth=depth), {"BN": {"norm": nn.BatchNorm2d}})


NETWORKS.register("VGG11")(_family(11))
NETWORKS.register("VGG13")(_family(13))
NETWORKS.register("VGG16")(_family(16))
NETWORKS.register("VGG19")(_family(19))
