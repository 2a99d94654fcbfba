"""What a method is, all that it may see, and what methods have in common."""

from datastill.distillation.methods.base.between import interpolated
from datastill.distillation.methods.base.class_wise import (
    Matching,
    Targeting,
    matched,
    matched_under,
)
from datastill.distillation.methods.base.contract import (
    Beside,
    Demanding,
    Method,
    Periodic,
    Remembering,
    Skipping,
    Targets,
    Task,
    period_of,
    recalled,
    require_method,
    skipped,
)
from datastill.distillation.methods.base.publication import METHODS, Need, Publication, Published
from datastill.distillation.methods.base.sloping import sloping
from datastill.distillation.papers import Paper
from datastill.distillation.parameters import Adam, AdamW, Resting, Sgd
from datastill.distillation.parametrisations import Synthetic

__all__ = [
    "METHODS",
    "Adam",
    "AdamW",
    "Beside",
    "Demanding",
    "Matching",
    "Method",
    "Need",
    "Paper",
    "Periodic",
    "Publication",
    "Published",
    "Remembering",
    "Resting",
    "Sgd",
    "Skipping",
    "Synthetic",
    "Targeting",
    "Targets",
    "Task",
    "interpolated",
    "matched",
    "matched_under",
    "period_of",
    "recalled",
    "require_method",
    "skipped",
    "sloping",
]
