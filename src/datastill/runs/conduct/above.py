"""What stands above, by name: the verbs of runs, what carries out their pieces, what tells of them.

A run of any kind is carried out from here down, by schedules and workers that know no kind; what
knows them is imported when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

VERBS = {
    "train": ("making.training", "train"),
    "distill": ("making.distilling", "distill"),
    "validate": ("validation.validating", "validate"),
    "compare": ("validation.comparing", "compare"),
    "assess": ("assessment.assessing", "assess"),
    "select": ("assessment.assessing", "rank"),
    "study": ("studies.studying", "study"),
    "relabel": ("making.relabelling", "relabel"),
}
"""Module and name of what carries out a run, by kind."""

PIECES = {
    "train": ("making.training", "train_piece"),
    "validate": ("validation.validating", "validate_piece"),
    "compare": ("validation.table", "compare_piece"),
    "assess": ("assessment.assessing", "assess_piece"),
    "study": ("studies.pieces", "study_piece"),
}
"""Module and name of what carries out a piece of a run, by kind."""

PAGE = ("showing.live", "Reporter")
"""What writes the page of a run while it goes on."""

ROW = ("showing.outcomes", "row_of")
"""What finds the numbers of what a run found, by their names."""


def taken(module: str, name: str) -> Any:
    """Return what has a name in a module below ``datastill.runs``."""
    return getattr(import_module(f"datastill.runs.{module}"), name)
