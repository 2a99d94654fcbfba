"""Layers of small convolutional networks, several times as fast on a CPU, at the same result."""

from datastill.compute.kernels.lowering import lowered
from datastill.compute.kernels.trusted import instructions, missing

__all__ = ["instructions", "lowered", "missing"]
