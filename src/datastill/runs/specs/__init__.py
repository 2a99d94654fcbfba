"""Descriptions of runs: what each follows from, and nothing else."""

from __future__ import annotations

from datastill.runs.specs.assessing import AssessSpec, RankSpec
from datastill.runs.specs.base import About, Part, Spec, Unit
from datastill.runs.specs.distilling import DistillSpec
from datastill.runs.specs.files import KINDS, Old, read
from datastill.runs.specs.parts import (
    ClomSpec,
    ComputeSpec,
    DataSpec,
    OnTheFlySpec,
    PoolSpec,
    SelectSpec,
    SoftSpec,
)
from datastill.runs.specs.relabelling import RelabelSpec
from datastill.runs.specs.studying import JudgesSpec, StudySpec
from datastill.runs.specs.training import TrainSpec
from datastill.runs.specs.validating import CompareSpec, ValidateSpec

__all__ = [
    "KINDS",
    "About",
    "AssessSpec",
    "ClomSpec",
    "CompareSpec",
    "ComputeSpec",
    "DataSpec",
    "DistillSpec",
    "JudgesSpec",
    "Old",
    "OnTheFlySpec",
    "Part",
    "PoolSpec",
    "RankSpec",
    "RelabelSpec",
    "SelectSpec",
    "SoftSpec",
    "Spec",
    "StudySpec",
    "TrainSpec",
    "Unit",
    "ValidateSpec",
    "read",
]
