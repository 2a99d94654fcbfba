"""Layers of small convolutional networks, several times as fast on a CPU, at the same result."""

from datastill.compute.kernels.lowering import lowered, whole
from datastill.compute.kernels.trusted import build, instructions, missing, superseded

__all__ = ["build", "instructions", "lowered", "missing", "superseded", "whole"]
