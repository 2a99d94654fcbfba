"""What a page says of the demo: what its sets are worth, beside real images, and how they look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datastill.base.errors import damaged
from datastill.base.wording import counted
from datastill.report import tables
from datastill.report.page import charts
from datastill.report.page.judged import DOTS
from datastill.report.page.parts import Block, Chart, Exhibit, Grid, Picture, Section, Sheets
from datastill.report.page.sets import thumbnail
from datastill.store import load
from datastill.store.results import demo_in

PAIRS = "Differences from random real images are in pairs, with 95 % intervals, in the numbers."


def exhibit(report: Mapping[str, Any], folder: Path, name: str) -> Exhibit:
    """Return what a page says of the demo.

    Args:
        report: what it found, as it was written.
        folder: of the demo, where its sets are.
        name: which nothing else on the page has.

    Raises:
        InputError: when it makes no sense, or a set is damaged.
    """
    sections = [Section("What networks reach", [*_accuracies(report, name)])]
    with damaged(folder):
        pictures = [*_pictures(report, folder)]
    if pictures:
        sections.append(Section("The sets: an image of each class", [Sheets(pictures)]))
    return Exhibit(str(folder), "demo", sections)


def _accuracies(report: Mapping[str, Any], name: str) -> Iterator[Block]:
    for ipc, rows in demo_in(report).items():
        title = f"Test accuracy, {counted(ipc, 'image')} for each class"
        epochs = f", {counted(int(report['epochs']), 'epoch')}" if "epochs" in report else ""
        told, columns, cells = tables.results(f"{title}{epochs}", rows, timed=False)
        drawn = charts.accuracies(rows, [row.source for row in rows])
        table = Grid(told, columns, cells)
        yield Chart(f"demo-{name}-{ipc}", told, drawn, table, f"{DOTS} {PAIRS}", opened=True)


def _pictures(report: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, Picture]]:
    for one in report["sets"]:
        place = folder / str(one["folder"])
        if place.is_dir():  # a person may have moved one away
            size = counted(int(one["ipc"]), "image")
            yield f"{one['source']}, {size} for each class", thumbnail(load(place), str(place))
