"""What a page says of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datastill.evaluation.comparison import Row
from datastill.evaluation.plan import Result
from datastill.report import tables
from datastill.report.commands import typed
from datastill.report.page import charts
from datastill.report.page.classes import class_by_class
from datastill.report.page.judged import so_far
from datastill.report.page.parts import Block, Chart, Exhibit, Grid, Lines, Section, Text
from datastill.report.page.worth import of_rows, worth
from datastill.store.results import rows_in


def exhibit(
    report: Mapping[str, Any], title: str, name: str, recipe: tuple[str, str] | None
) -> Exhibit:
    """Return all that a page says of a comparison.

    Args:
        report: as it was written.
        title: by which a person asked for it.
        name: which nothing else on the page has.
        recipe: text of the file that repeats it, and its path.

    Raises:
        InputError: when it makes no sense.
    """
    rows, rankings = rows_in(report)
    found: list[tuple[str, list[Block]]] = [
        ("What networks reach", [*_accuracies(rows, report, name)]),
        ("Bytes against accuracy", [worth(of_rows(rows), f"worth-{name}")]),
        ("DD-Ranking", [Grid(*table) for table in tables.rankings(rankings)]),
        ("To know", [*_caveats(report)]),
        ("To repeat", [*repeated(recipe)]),
    ]
    sections = [Section(told, blocks) for told, blocks in found if blocks]
    return Exhibit(title, "comparison", sections)


def under_way(
    found: Sequence[Result], title: str, name: str, recipe: tuple[str, str] | None
) -> Exhibit:
    """Return what a page says of a comparison that is not finished.

    Args:
        found: what networks reached by now.
        title: see ``exhibit``.
        name: see there.
        recipe: see there.
    """
    none = Lines(["No network is trained yet."])
    shown = so_far(found, f"so-far-{name}") if found else none
    sections = [
        Section("So far", [Lines(["It is not finished."]), shown]),
        Section("To repeat", [*repeated(recipe)]),
    ]
    return Exhibit(title, "comparison", sections)


def _accuracies(rows: Sequence[Row], report: Mapping[str, Any], name: str) -> Iterator[Block]:
    grids = [Grid(*table) for table in tables.comparison(rows)]
    for i, model in enumerate(dict.fromkeys(row.model for row in rows)):
        own = [row for row in rows if row.model == model]
        yield Chart(
            f"compared-{name}-{i}",
            f"Test accuracy of {model}",
            charts.accuracies(own, [row.title for row in own]),
            grids[i],
            "A ring is one network; the diamond is their mean, the bar one standard deviation to "
            "each side. Differences from random images are in pairs, with 95 % intervals, in the "
            "numbers.",
            opened=True,
        )
        if (table := _by_class(own, report)) is not None:
            yield table


def _by_class(own: Sequence[Row], report: Mapping[str, Any]) -> Grid | None:
    # Older comparisons do not say how their classes are called, nor how networks do on each.
    names = report.get("classes")
    classes = [str(name) for name in names] if isinstance(names, list) else []
    return class_by_class([(row.title, row) for row in own], classes, f": {own[0].model}")


def _caveats(report: Mapping[str, Any]) -> Iterator[Block]:
    found = report.get("caveats")
    if isinstance(found, list) and found:
        yield Lines([str(one) for one in found])


def repeated(recipe: tuple[str, str] | None, missing: str = "") -> Iterator[Block]:
    """Say how to do it again, or why no file says so, if that is known."""
    if recipe is None:
        yield Lines([missing or "No file repeats it."])
        return
    text, path = recipe
    yield Text("The command", typed("run", path))
    yield Text("The recipe", text)
