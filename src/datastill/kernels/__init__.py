"""Layers of small convolutional networks, several times as fast on a CPU, at the same result."""

from datastill.kernels.library import missing
from datastill.kernels.lowering import lowered

__all__ = ["lowered", "missing"]
