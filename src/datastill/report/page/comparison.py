"""What a page says of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datastill.evaluation.comparison import Row
from datastill.report import tables
from datastill.report.commands import typed
from datastill.report.comparison import is_real
from datastill.report.page import charts
from datastill.report.page.parts import Block, Chart, Exhibit, Grid, Lines, Section, Text
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
        ("What networks reach", [*_accuracies(rows, name)]),
        ("Bytes against accuracy", [worth(points(rows), f"worth-{name}")]),
        ("DD-Ranking", [Grid(*table) for table in tables.rankings(rankings)]),
        ("To know", [*_caveats(report)]),
        ("To repeat", [*repeated(recipe)]),
    ]
    sections = [Section(told, blocks) for told, blocks in found if blocks]
    return Exhibit(title, "comparison", sections)


def _accuracies(rows: Sequence[Row], name: str) -> Iterator[Block]:
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


def points(rows: Sequence[Row], of: str = "") -> list[dict[str, Any]]:
    """Return what ``charts.worth`` draws of the rows of a comparison."""
    return [
        {
            "set": f"{of}{row.title}, {row.model}",
            "kind": "real images" if is_real(row) else "synthetic images",
            "bytes": row.image_bytes + row.label_bytes + row.model_bytes,
            "accuracy": 100 * row.accuracies.mean,
            "told": str(row.accuracies),
        }
        for row in rows
    ]


def worth(found: Sequence[Mapping[str, Any]], name: str) -> Chart:
    """Return the chart of accuracy by bytes."""
    rows = [(str(one["set"]), f"{one['bytes']:,}", str(one["told"])) for one in found]
    return Chart(
        name,
        "What is reached with how many bytes",
        charts.worth(found),
        Grid("Bytes and accuracy", ("trained on", "bytes", "test accuracy"), rows),
        "Bytes of images, labels, and of models that label on the fly, along a logarithmic axis.",
    )


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
