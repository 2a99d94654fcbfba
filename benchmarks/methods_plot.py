"""Draw accuracy against the time of distilling, of every cell of the methods' tables.

    python benchmarks/methods_plot.py

Reads ``docs/results/methods``, and writes a picture for each cell beside it. Across: minutes on two
cores, by the number of updates, as docs/results/methods/plan.md worked them out; original models
come on top. Up: every network, and a line through the means. Images that are picked take no time,
and are lines across.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from methods import CELLS, HOUR, MINUTES, OUT, ROWS, SHORT, collected, values_of

from datastill.report.figures import png
from datastill.store import replace_file

COLOURS = dict(
    zip(ROWS, ["#7f7f7f", "#1f77b4", "#d62728", "#9467bd", "#2ca02c", "#ff7f0e", "#8c564b"],
        strict=True)
)  # fmt: skip
PICKED = {"random": "#000000", "k-means": "#555555", "random-tiles": "#bbbbbb", "rded": "#888888"}

Values = Mapping[tuple[str, str], Sequence[float]]
"""Accuracies of all networks, by the title of a set and its labels."""


def draw(panel: Axes, cell: str, values: Values) -> None:
    """Draw the rows that were judged with classes."""
    for row, colour in COLOURS.items():
        points = sorted(
            (int(title.removeprefix(f"{row}, ").removesuffix(" updates")), of)
            for (title, labels), of in values.items()
            if title.startswith(f"{row}, ") and labels == "hard"
        )
        full = CELLS[cell].updates[row]
        minutes = [SHORT.get(row, MINUTES) * count / full for count, _ in points]
        for minute, (_, of) in zip(minutes, points, strict=True):
            panel.plot([minute] * len(of), [100 * one for one in of], ".", color=colour, alpha=0.5)
        means = [100 * sum(of) / len(of) for _, of in points]
        if points:
            panel.plot(minutes, means, "o-", color=colour, label=row, markersize=4, lw=1)
    for name, colour in PICKED.items():
        if of := values.get((name, "hard")):
            panel.axhline(100 * sum(of) / len(of), color=colour, ls="--", lw=0.9, label=name)
    panel.set_xscale("log")
    panel.set_xticks([0.5, 1, 2.5, 5, 10, *([10 * HOUR] if panel.get_xlim()[1] > 20 else [])])
    panel.set_xticks([], minor=True)
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_xlabel("minutes of distilling on two cores")
    panel.set_ylabel("test accuracy, %")
    panel.set_title(f"{cell}: a ConvNet by modern, classes as labels", fontsize=10)
    panel.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def main() -> None:
    """Draw what is there."""
    for cell in CELLS:
        values = {key: values_of(rows) for key, rows in collected(cell).items()}
        if not values:
            continue
        figure = Figure(figsize=(6.6, 4), layout="constrained")
        draw(figure.subplots(), cell, values)
        replace_file(OUT / f"{cell}.png", png(figure))


if __name__ == "__main__":
    main()
