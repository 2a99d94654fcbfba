"""A picture of a comparison: how good every set is, and how sure that is."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datastill.artifacts import replace_file, writing
from datastill.comparison import HARD, RANDOM, REAL, Row

SYNTHETIC_INK, REAL_INK, RULE = "#1f5fa8", "#666666", "#bbbbbb"
DRAWN = ("herding", "k-center", "k-means", RANDOM, REAL)


def plot(rows: Sequence[Row]) -> Any:
    """Draw a panel for each architecture: a dot for each network, mean and spread beside it.

    A line stands at the mean of random images, another at that of all real ones.

    Returns:
        A matplotlib figure.
    """
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(row.model for row in rows))
    most = max(sum(row.model == model for row in rows) for model in models)
    figure = Figure(figsize=(1.6 + 3.6 * len(models), 1.2 + 0.36 * most), layout="constrained")
    panels = figure.subplots(1, len(models), squeeze=False)[0]
    for i, (panel, model) in enumerate(zip(panels, models, strict=True)):
        _draw(panel, [row for row in rows if row.model == model], names=i == 0)
        panel.set_title(model, fontsize=10)
        panel.set_xlabel("test accuracy, %", fontsize=9)
    return figure


def write_plot(rows: Sequence[Row], path: Path) -> None:
    """Write the picture of a comparison as a PNG."""
    content = io.BytesIO()
    plot(rows).savefig(content, format="png", dpi=150)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content.getvalue())


def _draw(panel: Any, rows: Sequence[Row], *, names: bool) -> None:
    for row in rows:
        if row.name in (RANDOM, REAL) and row.labels == HARD:
            panel.axvline(100 * row.accuracies.mean, color=RULE, linewidth=1, zorder=0)
    for place, row in enumerate(rows):
        ink = REAL_INK if row.name in DRAWN else SYNTHETIC_INK
        values = [100 * value for value in row.accuracies.values]
        panel.plot(values, [place + 0.18] * len(values), ".", color=ink, alpha=0.4, markersize=4)
        panel.errorbar(
            100 * row.accuracies.mean,
            place,
            xerr=None if row.accuracies.std is None else 100 * row.accuracies.std,
            fmt="o",
            color=ink,
            markersize=5,
            capsize=3,
        )
    titles = [row.title for row in rows]
    panel.set_yticks(range(len(rows)), titles if names else [""] * len(rows))
    for text in panel.get_yticklabels():
        text.set(fontsize=9, parse_math=False)
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.tick_params(axis="x", labelsize=8)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
