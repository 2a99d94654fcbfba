"""Studies: which assessment to trust, found out on sets whose accuracy is known."""

from __future__ import annotations

from datastill.evaluation.studies.agreement import Agreement, Coefficient
from datastill.evaluation.studies.examination import (
    Bench,
    Study,
    conclude,
    distinct,
    examine,
    study,
)
from datastill.evaluation.studies.ranking import Verdict, contrast
from datastill.evaluation.studies.records import Outcome, Record, blank, record_of, table_of
from datastill.evaluation.studies.resampling import Resampling

__all__ = [
    "Agreement",
    "Bench",
    "Coefficient",
    "Outcome",
    "Record",
    "Resampling",
    "Study",
    "Verdict",
    "blank",
    "conclude",
    "contrast",
    "distinct",
    "examine",
    "record_of",
    "study",
    "table_of",
]
