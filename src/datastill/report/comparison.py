"""A picture of a comparison: how good every set is, and how sure that is."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datastill.evaluation.comparison import HARD, RANDOM, REAL, Row
from datastill.report.figures import png
from datastill.report.lettering import spelled
from datastill.store import put_file
from datastill.training.coresets import CORESETS
from datastill.training.labelling import EARLY

SYNTHETIC_INK, REAL_INK, RULE = "#1f5fa8", "#666666", "#bbbbbb"
LETTERS = 13
"""Of a title, to an inch."""


def plot(rows: Sequence[Row], title: str = "") -> Any:
    """Draw a panel for each architecture: a dot for each network, mean and spread beside it.

    A line stands at the mean of random images, another at that of all real ones.

    Args:
        rows: what was found.
        title: what was compared, and under what terms.

    Returns:
        A matplotlib figure.
    """
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(row.model for row in rows))
    most = max(sum(row.model == model for row in rows) for model in models)
    wide = 1.6 + 3.6 * len(models)
    figure = Figure(figsize=(wide, 2.0 + 0.36 * most), layout="constrained")
    lines = textwrap.wrap(title, int(LETTERS * wide))
    figure.suptitle("\n".join(lines), fontsize=10, parse_math=False)
    panels = figure.subplots(1, len(models), squeeze=False)[0]
    for i, (panel, model) in enumerate(zip(panels, models, strict=True)):
        _draw(panel, [row for row in rows if row.model == model], names=i == 0)
        panel.set_title(model, fontsize=10)
        panel.set_xlabel("test accuracy, %", fontsize=9)
    figure.legend(
        handles=_legend(rows),
        loc="outside lower center",
        ncols=max(1, int(wide / 2.3)),
        fontsize=8,
        frameon=False,
    )
    return figure


def write_plot(rows: Sequence[Row], path: Path, title: str = "") -> None:
    """Write the picture of a comparison as a PNG; see ``plot``."""
    put_file(path, png(plot(rows, title), dpi=150))


def _legend(rows: Sequence[Row]) -> list[Any]:
    from matplotlib.lines import Line2D

    drawn = {row.name for row in rows if is_real(row)}
    kinds = [("made", SYNTHETIC_INK)] if {row.name for row in rows} - drawn else []
    kinds += [("real", REAL_INK)] if drawn else []
    found = [
        Line2D([], [], color=ink, marker="o", markersize=5, label=f"{kind} images: mean ± std")
        for kind, ink in kinds
    ]
    dot = Line2D([], [], color=REAL_INK, marker=".", linestyle="", alpha=0.4, label="one network")
    found.append(dot)
    if RANDOM in drawn or REAL in drawn:
        named = " and ".join(name for name in (RANDOM, REAL) if name in drawn)
        found.append(Line2D([], [], color=RULE, linewidth=1, label=f"mean of {named}"))
    return found


def is_real(row: Row) -> bool:
    """Tell whether a row is of real images."""
    return row.name in (RANDOM, REAL, EARLY) or CORESETS.has(row.name)


def _draw(panel: Any, rows: Sequence[Row], *, names: bool) -> None:
    from matplotlib.font_manager import FontProperties

    for row in rows:
        if row.name in (RANDOM, REAL) and row.labels == HARD:
            panel.axvline(100 * row.accuracies.mean, color=RULE, linewidth=1, zorder=0)
    for place, row in enumerate(rows):
        ink = REAL_INK if is_real(row) else SYNTHETIC_INK
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
    titles = [spelled(row.title) for row in rows]
    panel.set_yticks(range(len(rows)), [text if names else "" for text, _ in titles])
    for text, (_, file) in zip(panel.get_yticklabels(), titles, strict=True):
        text.set(parse_math=False, fontproperties=FontProperties(fname=str(file), size=9))
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.tick_params(axis="x", labelsize=8)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
