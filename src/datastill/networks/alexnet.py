"""AlexNet: five convolutions, cut to the size of small images."""

from __future__ import annotations

import math

from torch import nn

from datastill.data import Domain
from datastill.networks.base import NETWORKS, Family, Network, Norm, require_size
from datastill.networks.base.network import Stages


def alexnet(domain: Domain, *, norm: Norm = nn.Identity) -> Network:
    """Build five convolutions with ReLU, three max poolings and a linear head.

    The first convolution is padded by 4 when the image has one channel, so that the sizes
    inside are those of an image of 4 more pixels.

    Args:
        domain: of the images.
        norm: after every convolution.

    Raises:
        InputError: when the third pooling would leave nothing of the image.

    Reference:
        Krizhevsky, Sutskever and Hinton, ImageNet Classification with Deep Convolutional Neural
        Networks, NeurIPS 2012; in the variant that Dataset Condensation uses.
    """
    channels, *sides = domain.shape
    padding = 4 if channels == 1 else 2
    require_size("AlexNet", domain, 12 - 2 * padding)

    def layer(inputs: int, width: int, size: int, padding: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, width, size, padding=padding), norm(width), nn.ReLU()]

    body = nn.Sequential(
        *layer(channels, 128, 5, padding),
        nn.MaxPool2d(2),
        *layer(128, 192, 5, 2),
        nn.MaxPool2d(2),
        *layer(192, 256, 3, 1),
        *layer(256, 192, 3, 1),
        *layer(192, 192, 3, 1),
        nn.MaxPool2d(2),
    )
    pixels = math.prod((side + 2 * padding - 4) // 8 for side in sides)
    # A stage for each convolution, with the pooling behind it.
    stages = Stages((4, 8, 11, 14, 18), 4)
    return Network(body, nn.Linear(192 * pixels, len(domain.classes)), stages)


NETWORKS.register("AlexNet")(Family(alexnet, {"BN": {"norm": nn.BatchNorm2d}}))
