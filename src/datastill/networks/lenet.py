"""LeNet: two convolutions and three linear layers."""

from __future__ import annotations

import math

from torch import nn

from datastill.data import Domain
from datastill.networks.base import NETWORKS, Family, Network, require_size
from datastill.networks.base.network import Stages


def lenet(domain: Domain) -> Network:
    """Build LeNet with ReLU and max pooling; its features are the 84 units before the head.

    The first convolution is padded by 2 when the image has one channel, so that the sizes
    inside are those of an image of 4 more pixels.

    Args:
        domain: of the images.

    Raises:
        InputError: when the second pooling would leave nothing of the image.

    Reference:
        LeCun, Bottou, Bengio and Haffner, Gradient-Based Learning Applied to Document
        Recognition, Proceedings of the IEEE, 1998.
    """
    channels, *sides = domain.shape
    padding = 2 if channels == 1 else 0
    require_size("LeNet", domain, 16 - 2 * padding)
    pixels = math.prod(((side + 2 * padding - 4) // 2 - 4) // 2 for side in sides)
    body = nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=padding),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * pixels, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
    )
    return Network(body, nn.Linear(84, len(domain.classes)), Stages((3, 6, 9, 11), 2))


NETWORKS.register("LeNet")(Family(lenet))
