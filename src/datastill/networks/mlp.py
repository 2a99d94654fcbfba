"""MLP: a network that sees pixels without their place."""

from __future__ import annotations

import math

from torch import nn

from datastill.data import Domain
from datastill.networks.base import NETWORKS, Family, Network
from datastill.networks.base.network import Stages


def mlp(domain: Domain, *, width: int = 128, depth: int = 2) -> Network:
    """Build ``depth`` hidden layers of ``width`` units with ReLU, and a linear head."""
    layers: list[nn.Module] = [nn.Flatten()]
    inputs = math.prod(domain.shape)
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    stages = Stages(tuple(1 + 2 * layer for layer in range(1, depth + 1)), max(1, depth - 1))
    return Network(nn.Sequential(*layers), nn.Linear(inputs, len(domain.classes)), stages)


NETWORKS.register("MLP")(Family(mlp))
