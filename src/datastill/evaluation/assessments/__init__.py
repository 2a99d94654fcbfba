"""Every module in this folder is a family of assessments; importing it registers them all."""

from __future__ import annotations

from datastill.base.registry import load_plugins
from datastill.evaluation.assessments.base import (
    ASSESSMENTS,
    COSTLY,
    Assessment,
    Need,
    Numbered,
    Score,
    needs_of,
)
from datastill.evaluation.evidence import Evidence

load_plugins(__name__, __path__)

__all__ = [
    "ASSESSMENTS",
    "COSTLY",
    "Assessment",
    "Evidence",
    "Need",
    "Numbered",
    "Score",
    "needs_of",
]
