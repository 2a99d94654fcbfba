"""Hold what an update is made of against measured updates, over a grid, and see what takes over.

    python benchmarks/forecast.py --out forecast.json --plot forecast.png

One thing is varied at a time: images per class, classes, size and width. Every point is timed, and
predicted from rates that are measured just before it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib
import torch
from steps import facts
from terms import measured, update

from datastill.augment import dsa, usual_strategy
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import Domain, ImageSet
from datastill.distillation.descent import Descent
from datastill.distillation.loop import distill
from datastill.distillation.methods import METHODS, Task
from datastill.networks import builder

matplotlib.use("agg")
BATCH = 128


@dataclass(frozen=True)
class Point:
    """What an update is measured for."""

    method: str = "DM"
    ipc: int = 10
    classes: int = 10
    size: int = 28
    width: int = 128


AXES = {
    "ipc": [Point(ipc=ipc) for ipc in (1, 3, 10, 30, 100)],
    "classes": [Point(classes=classes) for classes in (2, 5, 10, 20, 40)],
    "size": [Point(size=size) for size in (16, 28, 40, 64)],
    "width": [Point(width=width) for width in (32, 64, 128, 256)],
    "ipc, DC": [Point(method="DC", ipc=ipc) for ipc in (1, 3, 10, 30)],
}


def measure(point: Point, updates: int) -> dict[str, Any]:
    """Predict an update and time some."""
    names = tuple(str(k) for k in range(point.classes))
    domain = Domain("grid", (1, point.size, point.size), names, (0.0,), (1.0,))
    count = max(BATCH, point.ipc)
    labels = torch.arange(point.classes).repeat_interleave(count)
    images = torch.randn(len(labels), *domain.shape, generator=Key(0).generator())
    published, model = METHODS[point.method](point.ipc), f"ConvNetW{point.width}"
    policy = dsa(usual_strategy(domain) if published.augmented else "none")
    rates = measured(model, domain, policy, Route())
    found = update(published.method, rates, ipc=point.ipc, classes=point.classes, batch=BATCH)
    terms = dict(found.terms)
    terms.pop("ageing networks", None)  # the first update of each generation is what is timed
    task = Task(ImageSet(images, labels, domain), builder(model, domain), Key(0), policy, Route())

    def once() -> float:
        started = time.perf_counter()
        next(distill(published.method, task, Descent(ipc=point.ipc, updates=1, batch=BATCH)))
        return time.perf_counter() - started

    spent = [once() for _ in range(updates)]
    return {**asdict(point), "seconds": spent[1:], "terms": terms}


def plot(rows: dict[str, list[dict[str, Any]]], file: Path) -> None:
    """Draw the measured times over the predicted terms, an axis of the grid to a panel."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(rows), figsize=(3.4 * len(rows), 3.2))
    for panel, (axis, found) in zip(panels, rows.items(), strict=True):
        name = axis.split(",")[0]
        over = [row[name] for row in found]
        for term in found[0]["terms"]:
            panel.plot(over, [row["terms"][term] for row in found], label=term, lw=1)
        total = [sum(row["terms"].values()) for row in found]
        panel.plot(over, total, "k--", label="predicted", lw=1)
        measured = [statistics.median(row["seconds"]) for row in found]
        panel.plot(over, measured, "ko", label="measured", ms=4)
        panel.set(xscale="log", yscale="log", xlabel=name, title=f"{found[0]['method']}, {name}")
        panel.set_xticks(over, [str(value) for value in over], minor=False)
        panel.minorticks_off()
    panels[0].set_ylabel("seconds an update")
    panels[-1].legend(fontsize=7, frameon=False)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=150)


def main() -> None:
    """Go over the grid, print a line for each point, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    rows: dict[str, list[dict[str, Any]]] = {}
    for axis in options.axes:
        rows[axis] = []
        for point in AXES[axis]:
            row = measure(point, options.updates)
            rows[axis].append(row)
            found, told = statistics.median(row["seconds"]), sum(row["terms"].values())
            largest = max(row["terms"], key=row["terms"].get)
            print(f"{point}: {found:.3f} s, predicted {told:.3f}, most of it {largest}", flush=True)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({"machine": facts(), "rows": rows}, indent=1) + "\n")
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
