"""How much of a score is the set's, and how much the draw's: test and retest.

A score that would rank the same sets otherwise under other networks and real images cannot agree
with anything better than it agrees with itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from datastill.evaluation.statistics.ceilings import of_mean
from datastill.evaluation.studies.records import Record

ENOUGH = 0.9
LEAST = 3
"""Sets of one number of images per class below which there is nothing to rank."""


@dataclass(frozen=True)
class Reliability:
    """What a score says of the same sets under draws that have nothing in common.

    Attributes:
        draws: so many.
        one: Spearman's correlation of a score under one draw with it under another, within each
            number of images per class, averaged over these and over pairs of draws.
        mean: what that comes to for the mean over all draws, by Spearman and Brown's formula.
        enough: draws over which a score would have to be averaged for a reliability of ``ENOUGH``,
            by the same; None where no number is enough.

    Reference:
        Spearman, Correlation Calculated from Faulty Data, and Brown, Some Experimental Results in
        the Correlation of Mental Abilities, British Journal of Psychology 3, 1910.
    """

    draws: int
    one: float
    mean: float
    enough: int | None


def reliability(records: Sequence[Record], name: str) -> Reliability | None:
    """Tell how far a score agrees with itself; None where it was made under one draw alone.

    Raises:
        KeyError: when not all sets have the score.
    """
    values = [record.scores[name].draws for record in records]
    draws = min(map(len, values))
    if draws < 2:
        return None
    table = np.array([row[:draws] for row in values])
    ipcs = np.array([record.ipc for record in records])
    groups = [np.flatnonzero(ipcs == ipc) for ipc in dict.fromkeys(ipcs.tolist())]
    groups = [rows for rows in groups if len(rows) >= LEAST]
    if not groups:
        return None
    found = [
        _alike(table[rows, one], table[rows, other])
        for one, other in combinations(range(draws), 2)
        for rows in groups
    ]
    shares = [len(rows) - 1 for _ in combinations(range(draws), 2) for rows in groups]
    value = float(np.average(found, weights=shares))
    mean = of_mean(value, draws) if value > 0 else value
    return Reliability(draws, value, mean, _enough(value))


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    # A score of one value ranks nothing, but the same under both draws.
    from scipy.stats import rankdata

    if np.array_equal(one, other):
        return 1.0
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def _enough(value: float) -> int | None:
    if value <= 0:
        return None
    return max(1, math.ceil(ENOUGH * (1 - value) / (value * (1 - ENOUGH)) - 1e-9))
