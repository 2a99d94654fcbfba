"""Every module in this folder is a coreset; importing the folder registers them all."""

from __future__ import annotations

from datastill.coresets.base import CORESETS, Coreset
from datastill.registry import load_plugins

load_plugins(__name__, __path__)

__all__ = ["CORESETS", "Coreset"]
