"""What picking by an assessment loses, by what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datastill.evaluation.studies import Study, Verdict
from datastill.evaluation.studies.expenses import CHOICES, unbeaten
from datastill.report.figures import png
from datastill.store import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOT = "pareto.png"
FAMILIES = {
    "semantic": "#d62728", "matching": "#2ca02c", "feature": "#1f77b4", "image": "#7f7f7f",
    "readout": "#ff7f0e", "validation": "#000000", "ignorance": "#9467bd",
}  # fmt: skip
"""Colours of families; others are brown."""
OTHER = "#8c564b"


def offers(study: Study, sets: int) -> tuple[list[Verdict], list[str]]:
    """Return what has a known cost for one of so many sets, and the names that nothing beats.

    A pick by chance is none of them: it is there for nothing.
    """
    known = [one for one in study.lines if one.costs[sets] and one is not study.chance]
    losses = [(float(one.costs[sets] or 0), one.headline.regret.value) for one in known]
    worst = study.chance.headline.regret.value
    best = [i for i in unbeaten(losses) if losses[i][1] < worst]
    return known, [known[i].name for i in best]


def pareto(study: Study) -> Figure:
    """Draw a panel for each number of sets that share original models: cost across, regret up.

    A line joins what nothing beats; the dashed one is a pick by chance.
    """
    from matplotlib.figure import Figure  # takes a while: only who draws waits for it

    figure = Figure(figsize=(4.2 * len(CHOICES), 4.4), layout="constrained")
    for panel, sets in zip(figure.subplots(1, len(CHOICES), sharey=True), CHOICES, strict=True):
        _draw(panel, study, sets)
    return figure


def write_pareto(study: Study, folder: Path) -> Path:
    """Write it as a PNG; return its path."""
    replace_file(folder / PLOT, png(pareto(study)))
    return folder / PLOT


def _draw(panel: Axes, study: Study, sets: int) -> None:
    from matplotlib.ticker import StrMethodFormatter

    known, best = offers(study, sets)
    places = {
        one.name: (100 * float(one.costs[sets] or 0), 100 * one.headline.regret.value)
        for one in known
    }
    for one in known:
        across, up = places[one.name]
        found, colour = one.headline.regret, FAMILIES.get(one.family, OTHER)
        if one.name in best:
            panel.plot([across] * 2, [100 * found.low, 100 * found.high], color=colour, lw=1)
            panel.annotate(one.name, (across, up), fontsize=6, xytext=(3, 4), rotation=35,
                           textcoords="offset points")  # fmt: skip
        panel.plot(across, up, "o", color=colour, markersize=4, label=one.family)
    panel.plot(*zip(*(places[name] for name in best), strict=True), color="0.6", lw=0.8, zorder=0,
               drawstyle="steps-post")  # fmt: skip
    panel.axhline(100 * study.chance.headline.regret.value, color="0.5", ls="--", lw=0.8)
    panel.set_xscale("log")
    panel.set_yscale("symlog", linthresh=1)  # most are near 0, and some far away
    panel.set_ylim(bottom=0)
    panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.margins(x=0.2)
    panel.set_title(f"original models shared by {sets}", fontsize=9)
    panel.set_xlabel("cost, % of validating a set by one network", fontsize=8)
    panel.tick_params(labelsize=7)
    if sets == CHOICES[0]:
        panel.set_ylabel("regret, points of accuracy", fontsize=8)
        _legend(panel)


def _legend(panel: Axes) -> None:
    handles, labels = panel.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    panel.legend(once.values(), once.keys(), fontsize=6, frameon=False)
