"""Scores against validated accuracy, a panel for each assessment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datastill.evaluation.studies import Record, Study, Verdict
from datastill.report.figures import png
from datastill.store import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

SIDE = 3.2
DECADES = 10
"""From this ratio of the largest to the smallest score on, the axis is logarithmic."""
FEW = 300
"""Up to this ratio there is room for two marks a decade."""
MARKERS = "osD^vP*X<>hp"
KNOWN = {
    "random": "#bcbd22", "herding": "#8c564b", "k-center": "#5b3a70", "k-means": "#e377c2",
    "noise": "#7f7f7f", "DC": "#1f77b4", "DC+CLOM": "#d62728", "DM": "#2ca02c",
    "DM+CLOM": "#9467bd", "DSA": "#ff7f0e", "DSA+CLOM": "#17becf",
}  # fmt: skip
"""Colours of methods: the same in every study."""
OTHERS = ("#000000", "#aec7e8", "#98df8a", "#ff9896", "#c5b0d5", "#c49c94", "#dbdb8d", "#9edae5")


def scatter(study: Study, names: Sequence[str], columns: int = 3) -> Figure:
    """Draw assessments: the score across, better to the right, accuracy up, a point for each set.

    Colours are methods, marks images per class; the title says how ranks go together.
    """
    from matplotlib.figure import Figure  # takes a while: only who draws waits for it

    found = {verdict.name: verdict for verdict in study.verdicts}
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(SIDE * columns, SIDE * rows + 0.9), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    panels: list[Axes] = list(grid.flat)
    for panel, name in zip(panels, names, strict=False):
        _draw(panel, found[name], study.records)
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    for panel in grid[:, 0]:
        panel.set_ylabel("test accuracy, %")
    handles = _legend(study.records)
    figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    return figure


def write_scatters(study: Study, folder: Path) -> list[Path]:
    """Write a PNG for each family, one for those asked of parts of the pool; return their paths."""
    pages: dict[str, list[str]] = {}
    for verdict in sorted(study.verdicts, key=lambda verdict: verdict.name):
        part = "-parts" if {"/", "@"} & set(verdict.name) else ""
        pages.setdefault(f"scatter-{verdict.family}{part}.png", []).append(verdict.name)
    for page, names in pages.items():
        columns = 4 if len(names) > 12 else 3
        replace_file(folder / page, png(scatter(study, names, columns)))
    return [folder / page for page in sorted(pages)]


def _draw(panel: Axes, verdict: Verdict, records: Sequence[Record]) -> None:
    colours, marks = _colours(records), _marks(records)
    for record in records:
        panel.plot(
            record.scores[verdict.name].score.value,
            100 * record.accuracy,
            marks[record.ipc],
            color=colours[record.method],
            markersize=5,
            alpha=0.75,
            markeredgewidth=0,
        )
    if _spans_decades([record.scores[verdict.name].score.value for record in records]):
        _in_decades(panel)
    if verdict.better == "lower":
        panel.invert_xaxis()  # to the right is better, in every panel
    spearman = verdict.headline.spearman
    panel.set_title(
        f"{verdict.name}\nSpearman in ipc {spearman.value:+.2f} "
        f"({spearman.low:+.2f} to {spearman.high:+.2f})",
        fontsize=8,
    )
    panel.tick_params(labelsize=7)
    panel.margins(0.08)


def _in_decades(panel: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    # Along a linear axis the best sets would fall into one spot.
    panel.set_xscale("log")
    low, high = sorted(panel.get_xlim())
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 3) if high < FEW * low else (1,)))
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())


def _spans_decades(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) > DECADES * min(values)


def _legend(records: Sequence[Record]) -> list[Line2D]:
    from matplotlib.lines import Line2D

    methods = [
        Line2D([], [], marker="o", linestyle="", color=colour, label=method)
        for method, colour in _colours(records).items()
    ]
    ipcs = [
        Line2D([], [], marker=mark, linestyle="", color="0.3", label=f"{ipc} per class")
        for ipc, mark in _marks(records).items()
    ]
    return methods + ipcs


def _colours(records: Sequence[Record]) -> dict[str, str]:
    methods = sorted({record.method for record in records})
    others = [method for method in methods if method not in KNOWN]
    rest = {method: OTHERS[i % len(OTHERS)] for i, method in enumerate(others)}
    return {method: KNOWN.get(method) or rest[method] for method in methods}


def _marks(records: Sequence[Record]) -> dict[int, str]:
    ipcs = sorted({record.ipc for record in records})
    return {ipc: MARKERS[i % len(MARKERS)] for i, ipc in enumerate(ipcs)}
