"""What a page says of a study: which assessment to trust, set by set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datastill.base.wording import counted
from datastill.evaluation.plan import Result
from datastill.evaluation.studies import Study, Verdict
from datastill.report import study_page
from datastill.report.page import charts
from datastill.report.page.comparison import repeated
from datastill.report.page.held import Standing
from datastill.report.page.parts import (
    Block,
    Chart,
    Choice,
    Exhibit,
    Facts,
    Gallery,
    Grid,
    Lines,
    Picture,
    Section,
    Tile,
)

MOST = 60
"""Assessments that a chart can be of: the best ones."""


def exhibit(
    study: Study,
    facts: Sequence[str],
    title: str,
    name: str,
    *,
    pictures: Mapping[str, Picture],
    recipe: tuple[str, str] | None,
    standing: Standing,
) -> Exhibit:
    """Return all that a page says of a study.

    Args:
        study: what was found.
        facts: lines that say what it rests on.
        title: by which a person asked for it.
        name: which nothing else on the page has.
        pictures: of its sets, by their names.
        recipe: text of the file that repeats it, and its path.
        standing: how far it is, if it was taken up again.
    """
    more = [Section("It goes on", [far(standing)])] if standing.extended else []
    sections = [
        *more,
        Section("Assessments against test accuracy", [_chart(study, name, pictures)]),
        Section("Which assessment to trust", _table(study)),
        Section("What it rests on", [Lines([*facts, *study_page.made(study.records)])]),
        Section("To repeat", [*repeated(recipe)]),
    ]
    return Exhibit(title, "study", sections)


def under_way(
    standing: Standing,
    title: str,
    name: str,
    *,
    pictures: Mapping[str, Picture],
    recipe: tuple[str, str] | None,
) -> Exhibit:
    """Return what a page says of a study that is not finished.

    Args:
        standing: how far it is.
        title: see ``exhibit``; so are the others.
        name: see there.
        pictures: of those of its sets that are shown.
        recipe: see there.
    """
    tiles = [(one, [Tile(picture, one)]) for one, picture in pictures.items()]
    left = len(standing.made) - len(tiles)
    more = [Lines([f"{left} more are not shown."])] if left else []
    sections = [
        Section("How far it is", [Lines(["It is not finished."]), far(standing)]),
        Section("What networks reach so far", _so_far(standing, name)),
        Section("Sets that are made", [Gallery(tiles), *more] if tiles else []),
        Section("To repeat", [*repeated(recipe)]),
    ]
    return Exhibit(title, "study", [one for one in sections if one.blocks])


def far(standing: Standing) -> Facts:
    """Say what is made, what is judged, and what is left of a study."""
    made, missing = len(standing.made), len(standing.missing)
    scored = sum(bool(record.scores) for record in standing.records.values())
    left = standing.left
    rows = [
        ("sets", f"{made} made, {missing} left"),
        ("assessed", f"{scored}, {made + missing - scored} left"),
        ("networks", f"{standing.trained} trained and tested, {left} left"),
    ]
    if left:
        rows.append(("to know", "a set that equals another one does not count, nor is it judged"))
    return Facts(rows)


def _so_far(standing: Standing, name: str) -> list[Block]:
    known = [record for record in standing.records.values() if record.trials]
    known.sort(key=lambda record: -record.accuracy)
    if not known:
        return []
    results = [Result(one.name, "", one.accuracies, 0) for one in known[:MOST]]
    rows = [
        (one.name, one.method, str(one.ipc), str(one.accuracies), str(len(one.scores)))
        for one in known
    ]
    return [
        Chart(
            f"far-{name}",
            "Test accuracy of networks, the best set first",
            charts.accuracies(results, [one.source for one in results]),
            Grid("Sets", ("set", "method", "ipc", "accuracy", "assessments"), rows),
            "A ring is one network; the diamond is their mean.",
        )
    ]


def _chart(study: Study, name: str, pictures: Mapping[str, Picture]) -> Chart:
    verdicts = study.verdicts[:MOST]
    choices = [
        Choice(one.name, _told(one), charts.agreement(study.records, one)) for one in verdicts
    ]
    data = charts.scores(study.records, [one.name for one in verdicts])
    first: dict[str, Any] = {**choices[0].spec, "data": {"values": data}}
    rows = [
        (row.name, row.method, str(row.ipc), f"{100 * row.accuracy:.2f}", str(len(row.trials)))
        for row in sorted(study.records, key=lambda record: -record.accuracy)
    ]
    return Chart(
        f"agreement-{name}",
        f"{counted(len(study.records), 'set')}: an assessment across, test accuracy up",
        first,
        Grid("Sets, the best first", ("set", "method", "ipc", "accuracy, %", "n"), rows),
        "To the right is what the assessment calls better; where it is right, points rise to "
        "the right.",
        pictures,
        choices,
    )


def _told(verdict: Verdict) -> str:
    found = verdict.headline
    spearman = found.spearman
    return (
        f"{verdict.name}: Spearman's rank correlation with accuracy {spearman.value:+.2f} "
        f"(95 %: {spearman.low:+.2f} to {spearman.high:+.2f}) over {counted(found.sets, 'set')} of "
        f"{counted(found.recipes, 'recipe')}"
    )


def _table(study: Study) -> list[Grid | Lines]:
    rows = study_page.table(study)
    grid = Grid("Agreement with test accuracy", study_page.COLUMNS, rows)
    return [Lines([" ".join(study_page.LEGEND.split())]), grid]
