"""Studies: which assessment to trust, found out on sets whose accuracy is known."""

from __future__ import annotations

from datastill.studies.examination import Bench, Study, conclude, distinct, examine, study
from datastill.studies.population import Candidate, Kind, Workshop, candidates, parse
from datastill.studies.ranking import Agreement, Coefficient, Resampling, Verdict
from datastill.studies.records import Outcome, Record, blank, record_of, table_of

__all__ = [
    "Agreement",
    "Bench",
    "Candidate",
    "Coefficient",
    "Kind",
    "Outcome",
    "Record",
    "Resampling",
    "Study",
    "Verdict",
    "Workshop",
    "blank",
    "candidates",
    "conclude",
    "distinct",
    "examine",
    "parse",
    "record_of",
    "study",
    "table_of",
]
