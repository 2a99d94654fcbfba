"""All cells of the decisive table at once: their mean, and where a new cell would lie.

    python benchmarks/clom_cells.py docs/results/clom/decisive ...

Reads ``values.json`` of each folder, one for each dataset; prints what CLOM gains in every cell,
the standard error over seeds, the mean of all by a random-effects model, and the 95 % prediction
interval that docs/results/clom/plan.md judges by.

References:
    Paule and Mandel, Consensus values and weighting factors, Journal of Research of the National
    Bureau of Standards 87, 1982 (the variance between cells).
    Hartung and Knapp, A refined method for the meta-analysis of controlled clinical trials with
    binary outcome, Statistics in Medicine 20, 2001 (the standard error of the mean).
    Higgins, Thompson and Spiegelhalter, A re-evaluation of random-effects meta-analysis, Journal of
    the Royal Statistical Society A 172, 2009 (the prediction interval: k - 2 degrees of freedom).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from clom import Place, Values, read  # beside this file
from scipy import optimize, stats

LEAST = 3
"""Cells that a prediction interval asks for, and seeds that a cell does."""


@dataclass(frozen=True)
class Cell:
    """What CLOM gains in a cell.

    Attributes:
        name: of the cell.
        gain: mean over seeds of the mean over networks, in points.
        error: its standard error over seeds.
        seeds: how many.
    """

    name: str
    gain: float
    error: float
    seeds: int


@dataclass(frozen=True)
class Together:
    """Cells as draws from all cells that there might be.

    Attributes:
        mean: over these.
        low: of the 95 % interval of the mean.
        high: of the same.
        between: standard deviation between cells, beyond what seeds explain.
        least: of the 95 % prediction interval of a new cell.
        most: of the same.
    """

    mean: float
    low: float
    high: float
    between: float
    least: float
    most: float

    @classmethod
    def of(cls, gains: Sequence[float], errors: Sequence[float]) -> Together:
        """Take the gains of three cells or more, and their standard errors."""
        values, variances = np.array(gains), np.array(errors) ** 2
        count = len(values)

        def excess(between: float) -> float:
            weights = 1 / (variances + between)
            mean = (weights * values).sum() / weights.sum()
            return float((weights * (values - mean) ** 2).sum()) - (count - 1)

        far = 10 * float(values.var(ddof=1)) + 1
        between = 0.0 if excess(0.0) <= 0 else float(optimize.brentq(excess, 0.0, far))
        weights = 1 / (variances + between)
        mean = float((weights * values).sum() / weights.sum())
        spread = float((weights * (values - mean) ** 2).sum()) / (count - 1)
        # Never shorter than the plain model's: few cells agree by chance.
        error = (max(spread, 1.0) / float(weights.sum())) ** 0.5
        reach = float(stats.t.ppf(0.975, count - 1)) * error
        ahead = float(stats.t.ppf(0.975, max(count - 2, 1))) * (between + error**2) ** 0.5
        limits = mean - reach, mean + reach, between**0.5, mean - ahead, mean + ahead
        return cls(mean, *limits)


def cells(values: Values, dataset: str) -> list[Cell]:
    """Return the cells of a dataset: pairs that differ in CLOM alone."""
    found: list[Cell] = []
    for place, guided in sorted(values.items(), key=lambda item: _order(item[0])):
        alone = values.get(replace(place, alpha=0.0), {})
        seeds = sorted(guided.keys() & alone.keys())
        if not place.alpha or not seeds:
            continue
        gains = [
            100 * fmean(a - b for a, b in zip(one.accuracies, other.accuracies, strict=True))
            for one, other in ((guided[seed], alone[seed]) for seed in seeds)
        ]
        error = stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else float("nan")
        name = f"{dataset}, {place.kind}, {place.ipc} per class, {place.model}"
        found.append(Cell(name, fmean(gains), error, len(gains)))
    return found


def _order(place: Place) -> tuple[str, int, str, float]:
    return place.kind, place.ipc, place.model, place.alpha


def told(found: Sequence[Cell]) -> str:
    """Return the cells as a table in Markdown, with what they tell together."""
    rows = "| cell | gain, points | standard error | seeds |\n|---|---|---|---|\n"
    for cell in found:
        rows += f"| {cell.name} | {cell.gain:+.2f} | {cell.error:.2f} | {cell.seeds} |\n"
    sure = [cell for cell in found if cell.seeds >= LEAST]
    rows += f"\n{sum(cell.gain > 0 for cell in found)} of {len(found)} cells have a gain.\n"
    if len(sure) < LEAST:
        return f"{rows}Fewer than {LEAST} cells have {LEAST} seeds: nothing is told of a new one.\n"
    one = Together.of([cell.gain for cell in sure], [cell.error for cell in sure])
    return (
        f"{rows}Of {len(sure)} cells of {LEAST} seeds and more: mean {one.mean:+.2f} "
        f"({one.low:+.2f} to {one.high:+.2f}), standard deviation between cells {one.between:.2f}, "
        f"a new cell {one.least:+.2f} to {one.most:+.2f} (95 %).\n"
    )


def main() -> None:
    """Tell of the folders that were named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+")
    given = parser.parse_args()
    found = [
        cell
        for folder in given.folders
        for cell in cells(read(folder / "values.json"), folder.name)
    ]
    print(told(found))


if __name__ == "__main__":
    main()
