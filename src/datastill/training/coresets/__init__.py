"""Every module in this folder is a coreset; importing the folder registers them all."""

from __future__ import annotations

from datastill.base.registry import load_plugins
from datastill.training.coresets.base import CORESETS, Coreset, Known, needs_of, picked

load_plugins(__name__, __path__)

__all__ = ["CORESETS", "Coreset", "Known", "needs_of", "picked"]
