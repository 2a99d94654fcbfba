"""Tests of agreement, by units that change places."""

from __future__ import annotations

import numpy as np

from datastill.evaluation.statistics.clusters import Clusters, Rows
from datastill.evaluation.statistics.coefficients import Numbers


def orders(clusters: Clusters, times: int, rng: np.random.Generator) -> list[Rows]:
    """Draw permutations of units within groups, ``(P, K)`` for each group.

    Units that are in several groups change places in all of them alike, as far as they can.
    """
    places = rng.random((times, clusters.count))
    return [np.argsort(places[:, group.held], axis=1) for group in clusters.groups]


def p_value(x: Numbers, y: Numbers, clusters: Clusters, permuted: list[Rows]) -> Numbers:
    """Test whether ranks of the units' means agree, two-sided.

    If they do not, the units of one column might as well stand in another order. The correlation
    of each group is of ranks within the group, averaged over each unit's rows, and groups weigh
    one less than their number of rows.

    Args:
        x: ``(..., N)``.
        y: ``(N,)``.
        clusters: groups, and units within them.
        permuted: see ``orders``.

    Returns:
        ``(...)``, above 0: what was observed is one of the permutations.
    """
    from scipy.stats import rankdata  # half a second, which only who asks for it waits

    found, drawn = np.zeros(x.shape[:-1]), np.zeros((*x.shape[:-1], len(permuted[0])))
    for group, order in zip(clusters.groups, permuted, strict=True):
        one, other = (group.means(rankdata(column[..., group.rows], axis=-1)) for column in (x, y))
        one, other = (_normed(means) for means in (one, other))
        share = len(group.rows) - 1
        found += share * (one @ other)
        drawn += share * (one @ other[order].T)
    as_far = (np.abs(drawn) >= np.abs(found)[..., None] - 1e-9).sum(-1)
    return (as_far + 1) / (drawn.shape[-1] + 1)


def _normed(values: Numbers) -> Numbers:
    centred = values - values.mean(-1, keepdims=True)
    norm = np.linalg.norm(centred, axis=-1, keepdims=True)
    return np.where(norm > 1e-9, centred / np.maximum(norm, 1e-9), 0.0)
