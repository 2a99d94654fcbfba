"""Studies: which assessment to trust, found out on sets whose accuracy is known."""

from __future__ import annotations

from datastill.evaluation.statistics.differences import Difference
from datastill.evaluation.statistics.intervals import Interval
from datastill.evaluation.studies.agreement import Agreement
from datastill.evaluation.studies.conclusion import Study, conclude, study_of
from datastill.evaluation.studies.examination import (
    Bench,
    distinct,
    examine,
    seconds_of,
    study,
)
from datastill.evaluation.studies.ranking import Verdict, contrast
from datastill.evaluation.studies.records import Outcome, Record, blank, record_of, table_of
from datastill.evaluation.studies.resampling import Resampling

__all__ = [
    "Agreement",
    "Bench",
    "Difference",
    "Interval",
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
    "seconds_of",
    "study",
    "study_of",
    "table_of",
]
