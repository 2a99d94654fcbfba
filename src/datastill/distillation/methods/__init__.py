"""Every module in this folder is a method; importing the folder registers them all."""

from __future__ import annotations

from datastill.base.registry import load_plugins
from datastill.distillation.methods.base import (
    METHODS,
    Demanding,
    Matching,
    Method,
    Published,
    Remembering,
    Targeting,
    Targets,
    Task,
    period_of,
)

load_plugins(__name__, __path__)

__all__ = [
    "METHODS",
    "Demanding",
    "Matching",
    "Method",
    "Published",
    "Remembering",
    "Targeting",
    "Targets",
    "Task",
    "period_of",
]
