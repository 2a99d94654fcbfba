"""What a run found, as a row of numbers: of many runs, a table."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from datastill.runs.assessment.assessing import Ranked
from datastill.runs.assessment.scored import Scored
from datastill.runs.making.distilling import Distilled
from datastill.runs.making.training import Trained
from datastill.runs.studies.findings import Studied
from datastill.runs.validation.comparing import Compared
from datastill.runs.validation.validating import Validated

Outcome = dict[str, float | str]
"""Numbers, by what they are of."""


@singledispatch
def row_of(found: Any) -> Outcome:
    """Return what a run found, by the names of columns."""
    del found
    return {}


@row_of.register
def _(found: Trained) -> Outcome:
    return {
        f"{row.architecture} {row.number} test %": round(100 * row.test_accuracy, 2)
        for row in found.rows
        if row.test_accuracy is not None
    }


@row_of.register
def _(found: Distilled) -> Outcome:
    known = {name: found.set.facts.get(name) for name in ("step", "seconds")}
    return {"images": len(found.set), **{k: v for k, v in known.items() if v is not None}}


@row_of.register
def _(found: Validated) -> Outcome:
    return {
        f"{result.model} on {result.source}": str(result.accuracies) for result in found.results
    }


@row_of.register
def _(found: Compared) -> Outcome:
    return {f"{row.model} on {row.name}, {row.labels}": str(row.accuracies) for row in found.rows}


@row_of.register
def _(found: Scored) -> Outcome:
    return {name: float(f"{one.score.value:.6g}") for name, one in found.scores.items()}


@row_of.register
def _(found: Ranked) -> Outcome:
    return {name: float(f"{score.value:.6g}") for name, score in found.scores.items()}


@row_of.register
def _(found: Studied) -> Outcome:
    return {"sets": len(found.study.records), "best assessment": found.study.verdicts[0].name}
