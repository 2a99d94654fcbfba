"""Layers of small convolutional networks, several times as fast on a CPU, at the same result."""

from datastill.kernels.library import instructions, missing
from datastill.kernels.lowering import lowered

__all__ = ["instructions", "lowered", "missing"]
