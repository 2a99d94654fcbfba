r"""How far a score that knows the truth would agree with what was measured.

References:
    Spearman, The proof and measurement of association between two things, American Journal of
    Psychology 15, 1904 (attenuation: a correlation with a measurement of reliability :math:`r` is
    at most :math:`\sqrt r`).
    Spearman, British Journal of Psychology 3, 1910, and Brown in the same volume (the reliability
    of a mean).
"""

from __future__ import annotations

from itertools import combinations
from typing import TypeVar

import numpy as np

from datastill.evaluation.statistics.clusters import Clusters, Group
from datastill.evaluation.statistics.coefficients import Numbers, spearman
from datastill.evaluation.statistics.intervals import Interval, Spread

N = TypeVar("N", float, Numbers)


def ceiling_of(trials: Numbers, clusters: Clusters) -> Interval:
    r"""Return the rank correlation of the truth with the mean of ``n`` measurements.

    With :math:`\bar r` the mean rank correlation of two measurements, :math:`\sqrt{n \bar r / (1 +
    (n - 1) \bar r)}`. What all measurements have in common, such as the images that they are
    tested on, is not seen.

    Args:
        trials: ``(n, N)``, two measurements or more of every row.
        clusters: groups within which they are correlated, and units.
    """
    pairs = list(combinations(range(len(trials)), 2))
    one, other = (trials[[pair[side] for pair in pairs]] for side in (0, 1))

    def alike(group: Group, kept: Numbers) -> Numbers:
        return spearman(one[:, group.rows], other[:, group.rows], kept).mean(0)

    found = np.maximum(clusters.without_each(alike), 0)
    reliability = of_mean(found, len(trials))
    return Spread.of_correlations(np.sqrt(reliability)).intervals()[0]


def of_mean(one: N, count: int) -> N:
    """Return the reliability of the mean of so many measurements of one reliability each."""
    return count * one / (1 + (count - 1) * one)
