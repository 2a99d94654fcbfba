"""Every module in this folder is a coreset; importing the folder registers them all."""

from __future__ import annotations

from datastill.base.registry import load_plugins
from datastill.training.coresets.base import (
    CORESETS,
    MISSING,
    Coreset,
    Known,
    looks_at_features,
    needs_of,
    picked,
    require_known,
    unfold_of,
    without_chance,
)

load_plugins(__name__, __path__)

__all__ = [
    "CORESETS",
    "MISSING",
    "Coreset",
    "Known",
    "looks_at_features",
    "needs_of",
    "picked",
    "require_known",
    "unfold_of",
    "without_chance",
]
