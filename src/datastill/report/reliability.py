"""How reliable each score of a study is, as a section of its page."""

from __future__ import annotations

from datastill.evaluation.studies import Study
from datastill.evaluation.studies.reliability import ENOUGH, Reliability, reliability
from datastill.report.study_cells import grid

NOTES = (
    "Every score was made under several draws of real images and fresh networks; it is the mean "
    "over these that is held against accuracy above. Spearman's correlation of one draw with "
    "another, within each number of images per class, over all sets; what that comes to for the "
    "mean; and how many draws would be enough for {:g} (both by Spearman and Brown's formula; a "
    "score in which chance has no part has 1). The original models are the same in all draws."
)
COLUMNS = ("assessment", "draws", "one draw", "their mean", "enough")


def reliability_section(study: Study) -> list[str]:
    """Return lines of Markdown, the most reliable score first; none where there is one draw."""
    found = {verdict.name: reliability(study.records, verdict.name) for verdict in study.verdicts}
    known = {name: one for name, one in found.items() if one is not None}
    if not known:
        return []
    order = sorted(known, key=lambda name: -known[name].one)
    rows = [_row(name, known[name]) for name in order]
    return ["## Reliability", NOTES.format(ENOUGH), grid(COLUMNS, rows)]


def _row(name: str, one: Reliability) -> tuple[str, ...]:
    enough = "none" if one.enough is None else str(one.enough)
    return name, str(one.draws), f"{one.one:+.2f}", f"{one.mean:+.2f}", enough
