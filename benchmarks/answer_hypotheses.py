"""What docs/results/answer/plan.md claims, tested: p-values of its hypotheses, Holm's correction.

Each hypothesis is a sentence of the form "the truth is above a bound", and its p-value that of the
interval which just reaches the bound. Both that count recipes and that count families must
exclude it: the larger of the two p-values is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from answer_block import (  # beside this file
    ALWAYS,
    CE,
    COMPOSITE,
    FFD,
    LARGEST,
    OM,
    OTHER_COMPOSITE,
    PROXY,
    PROXY_60,
    RIDGE,
    concordance,
    regrets,
)
from numpy.typing import NDArray
from scipy import optimize, stats

from datastill.evaluation.statistics.clusters import Clusters, Group
from datastill.evaluation.statistics.coefficients import spearman
from datastill.evaluation.statistics.differences import between
from datastill.evaluation.statistics.intervals import Spread
from datastill.evaluation.studies import Difference, Record, Resampling, contrast

FARTHEST = 1e3
"""Standard errors at which a p-value is nothing."""
LEVEL = 0.05
MARGIN = 0.03
"""Of H3, in correlation."""
CLAIMS = (
    ("H2", COMPOSITE, CE, 0.0),
    ("H2", COMPOSITE, FFD, 0.0),
    ("H2, other composite", OTHER_COMPOSITE, CE, 0.0),
    ("H2, other composite", OTHER_COMPOSITE, FFD, 0.0),
    ("H3", PROXY_60, COMPOSITE, -MARGIN),
    ("H3, ridge", RIDGE, COMPOSITE, -MARGIN),
    ("secondary", CE, OM, 0.0),
    ("secondary", f"{PROXY}@20", PROXY_60, 0.0),
)
"""Of pairs of scores: by how much more than so much the first agrees better."""
GRADIENTS, PROBE, CHANCE = "fresh-gradient-distance", "linear-probe", "by chance"
"""Of H6 and H7, which were found where the five were tested."""


@dataclass(frozen=True, eq=False)
class Correlations:
    """Spearman's of several scores with accuracy, and how each unit moves them.

    Attributes:
        names: of the scores.
        spreads: by what is counted: recipes, and families.
    """

    names: tuple[str, ...]
    spreads: Mapping[str, Spread]

    @classmethod
    def of(cls, records: Sequence[Record], names: Sequence[str]) -> Correlations:
        """Correlate the scores that all sets have."""
        known = tuple(name for name in names if all(name in one.scores for one in records))
        worths = np.array(
            [[one.scores[name].score.worth for one in records] for name in known]
        ).reshape(len(known), len(records))
        accuracies = np.array([one.accuracy for one in records])
        units = {
            "recipes": [one.recipe_name for one in records],
            "families": [one.family for one in records],
        }

        def within(group: Group, kept: NDArray[np.float64]) -> NDArray[np.float64]:
            return spearman(worths[:, group.rows], accuracies[group.rows], kept)

        spreads = {
            what: Spread.of_correlations(
                Clusters.of([np.arange(len(records))], own).without_each(within)
            )
            for what, own in units.items()
        }
        return cls(known, spreads)

    def above(self, name: str, bound: float) -> dict[str, float]:
        """Return one-sided p-values of the sentence that a correlation is above a bound."""
        return {
            what: _above(spread, self.names.index(name), bound)
            for what, spread in self.spreads.items()
        }

    def ahead(self, one: str, other: str, bound: float) -> dict[str, float]:
        """Return those of the sentence that one is more than a bound larger than another."""
        pair = self.names.index(one), self.names.index(other)
        return {what: _ahead(spread, *pair, bound) for what, spread in self.spreads.items()}


def _above(spread: Spread, one: int, bound: float) -> float:
    count = spread.shifts.shape[-1]
    there = float(spread.scale.there(np.array(bound), count))
    far = float(spread.middles[one]) - there
    return float(stats.t.sf(far / max(float(spread.errors[one]), 1e-12), spread.degrees))


def _ahead(spread: Spread, one: int, other: int, bound: float) -> float:
    value = float(spread.values[one] - spread.values[other])
    side = 0 if value > bound else 1  # of the interval, that looks towards the bound

    def room(quantile: float) -> float:
        return between(spread, one, other, quantile)[side] - bound

    if room(0.0) * room(FARTHEST) > 0:
        far = FARTHEST if abs(room(0.0)) > 0 else 0.0
    else:
        far = float(optimize.brentq(room, 0.0, FARTHEST))
    tail = float(stats.t.sf(far, spread.degrees))
    return 1 - tail if side else tail


def flipped(differences: Sequence[float]) -> float:
    """Return the one-sided p-value of the sentence that a mean is below 0, by flipping signs.

    >>> flipped([-1.0, -2.0, -0.5, -1.0])
    0.0625
    """
    values = np.array(differences, float)
    signs = np.array(np.meshgrid(*[[1, -1]] * len(values))).reshape(len(values), -1)
    sums = values @ signs
    return float((sums <= values.sum() + 1e-9).mean())


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Correct p-values for their number, by Holm's way.

    >>> {name: round(p, 2) for name, p in holm({"a": 0.01, "b": 0.04, "c": 0.03}).items()}
    {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    found: dict[str, float] = {}
    least = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[name]))
        found[name] = least
    return found


def claims_of_scores(
    records: Sequence[Record], resampling: Resampling, scope: str
) -> dict[str, float]:
    """Print what is claimed of scores across recipes, and return the p-values of H1 to H3."""
    names = [OM, *(name for _, one, other, _ in CLAIMS for name in (one, other))]
    scored = Correlations.of(records, list(dict.fromkeys(names)))
    found = {"H1": _told("H1", f"{OM} above 0.5", scored.above(OM, 0.5))}
    for label, one, other, bound in CLAIMS:
        if not {one, other} <= {*scored.names}:
            print(f"{label}: {one} or {other} was not scored")
            continue
        by = contrast(records, one, other, resampling)[scope]
        p = _told(label, _less(by, one, other, bound), scored.ahead(one, other, bound))
        if label in ("H2", "H3"):
            found[label] = max(p, found.get(label, 0.0))
    return found


def claims_of_block(block: Sequence[Record]) -> dict[str, float]:
    """Print what is claimed of seeds and of CLOM's weight, and return the p-values of H4 and H5.

    Without a block they are 1: claims that were not tried count in the correction of the others.
    """
    if not block:
        print("H4 and H5: no block, so not tried; they count among the five")
        return {"H4": 1.0, "H5": 1.0}
    free = [record for record in block if not record.guided]
    p = concordance(free, CE)[2]
    found = {"H4": _told("H4", f"{CE} orders seeds", {"orders of seeds": p}), "H5": 0.0}
    lost = regrets(block)
    for other, more in ((ALWAYS, 0.1), (CE, 0.0)):
        apart = [a - b - more for a, b in zip(lost[LARGEST], lost[other], strict=True)]
        words = f"loses {fmean(apart):+.2f} points more than {other} + {more}"
        found["H5"] = max(found["H5"], _told("H5", words, {"sweeps": flipped(apart)}))
    return found


def tell_later(
    records: Sequence[Record], block: Sequence[Record], resampling: Resampling, scope: str
) -> None:
    """Print the hypotheses that are for other images than those where they were found."""
    by = contrast(records, GRADIENTS, OM, resampling)[scope]
    ahead = Correlations.of(records, [GRADIENTS, OM]).ahead(GRADIENTS, OM, 0.0)
    found = {"H6": _told("H6", _less(by, GRADIENTS, OM, 0.0), ahead)}
    if block:
        lost = regrets(block)
        apart = [a - b for a, b in zip(lost[PROBE], lost[CHANCE], strict=True)]
        chosen = f"{PROBE} loses {fmean(apart):+.2f} points more than a pick {CHANCE}, below 0"
        found["H7"] = _told("H7", chosen, {"sweeps": flipped(apart)})
    for name, p in found.items():
        held = "holds" if p < LEVEL else "not shown"
        print(f"{name}: p = {p:.4f}, apart from the five: {held}")


def _less(by: Difference, one: str, other: str, bound: float) -> str:
    limits = f"({by.low:+.3f}, {by.high:+.3f})"
    return f"{one} less {other} {by.value:+.3f} {limits}, above {bound}"


def _told(label: str, words: str, p_values: Mapping[str, float]) -> float:
    by = ", ".join(f"{what} {p:.4f}" for what, p in p_values.items())
    print(f"{label}: {words}; p by {by}")
    return max(p_values.values())


def tell_hypotheses(
    records: Sequence[Record], block: Sequence[Record], resampling: Resampling, scope: str
) -> None:
    """Print the five hypotheses, each with its estimate, its p-values, and Holm's correction."""
    found = {**claims_of_scores(records, resampling, scope), **claims_of_block(block)}
    for name, p in holm(found).items():
        held = "holds" if p < LEVEL else "not shown"
        print(f"{name}: p = {found[name]:.4f}, by Holm {p:.4f}: {held}")
