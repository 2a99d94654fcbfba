"""What is lost by picking what scores best, among a few that chance offers."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from math import comb

import numpy as np

from datastill.evaluation.statistics.clusters import Clusters, Group
from datastill.evaluation.statistics.coefficients import Numbers
from datastill.evaluation.statistics.intervals import LOSS, Spread

CANDIDATES = 8
"""Units, and of each a row, among which a person is supposed to choose; half of them where there
are fewer than 16. Of all that there are the best one may have been made to score best; among a few
that were drawn by chance it seldom is."""

LEAST = 0.2
"""Of what chance loses, on the scale of losses: one unit's standard error, at the least; twice that
where a pick loses nothing. That the best of few was found does not say that it always would be."""


def candidates_of(count: int) -> int:
    """Return among how many of so many units a person is supposed to choose."""
    return max(min(CANDIDATES, count // 2), min(count, 2))


def regret(
    worths: Numbers, gains: Numbers, group: Group, kept: Numbers, candidates: int | None = None
) -> Numbers:
    r"""Return what is lost on average by picking the best of a few by their worths.

    ``candidates`` units are drawn without replacement, and of each a row; fewer where there are
    fewer. Nothing is drawn here: with :math:`b_u(i)` the share of unit :math:`u`'s rows that are
    worth less than row :math:`i`, the chance that it is picked is an elementary symmetric
    polynomial of these shares, over the units but its own. Of equal rows each may be picked.

    Args:
        worths: ``(..., N)``; the best is picked.
        gains: ``(N,)``, what a pick brings.
        group: rows of these that are looked at, ``n`` of them.
        kept: ``(R, n)``, 1 for the rows that are there, 0 for all rows of a unit that is not.
        candidates: units to choose among; by default as many as ``candidates_of`` says.

    Returns:
        ``(..., R)``, in the unit of ``gains``.
    """
    gains, count = gains[group.rows], len(group.held)
    candidates = candidates_of(count) if candidates is None else candidates
    best = _expected(gains, gains, group, kept, candidates)
    return best - _expected(worths[..., group.rows], gains, group, kept, candidates)


def losses(worths: Numbers, gains: Numbers, clusters: Clusters) -> Spread:
    """Tell what picking by ``(A, N)`` worths loses, averaged over groups, and how sure that is.

    An average over choices of several units has a spread that fewer units tell: of the degrees of
    freedom one is lost for each that is looked at together.
    """
    columns = np.concatenate([np.zeros((1, worths.shape[-1])), worths])
    found = np.maximum(clusters.without_each(partial(regret, columns, gains)), 0)
    found = np.where(found < 1e-12, 0, found)  # of sums that are equal but for rounding
    least = LEAST * np.cbrt(found[0, 0]) / np.sqrt(clusters.count)
    least = np.where(found[1:, 0] == 0, 2 * least, least)
    taken = max(candidates_of(len(group.held)) for group in clusters.groups)
    return Spread.of(found[1:], LOSS, least, taken)


def _expected(
    worths: Numbers, gains: Numbers, group: Group, kept: Numbers, candidates: int
) -> Numbers:
    # What the picks bring. Of T others that are equal a row is picked by the chance
    # 1 / (1 + T) = integral of t^T over 0..1: Gauss and Legendre's nodes make it exact.
    present = group.means(kept)  # (R, K): whether a unit is there
    below = group.means(worths[..., None, :] < worths[..., :, None])
    equal = group.means(worths[..., None, :] == worths[..., :, None])
    others = 1 - group.members.T  # (n, K)
    tied = bool((equal * others).any())
    nodes, shares = np.polynomial.legendre.leggauss(candidates // 2 + 1 if tied else 1)
    chance: Numbers = np.zeros(())
    for node, share in zip((nodes + 1) / 2, shares / 2, strict=True):
        beaten = (below + node * equal) * others  # (..., n, K)
        chance = chance + share * _picked(beaten, present, candidates)
    # (..., R, n); a row is drawn of its unit by chance.
    weights = kept / (group.members.T @ group.members.sum(1))
    return np.einsum("...rn,rn,n->...r", chance, weights, gains)


def _picked(beaten: Numbers, present: Numbers, candidates: int) -> Numbers:
    # The chance that a row's unit is drawn and that the others that are drawn are all beaten.
    units = np.rint(present.sum(1)).astype(int)
    few = np.minimum(units, candidates)
    shape = (*beaten.shape[:-2], len(present), beaten.shape[-2])
    sums = np.zeros((candidates, *shape))
    sums[0] = 1
    for unit in range(beaten.shape[-1]):
        share = beaten[..., None, :, unit] * present[:, unit, None]
        for upper, lower in pairwise(range(candidates - 1, -1, -1)):
            sums[upper] += sums[lower] * share
    draws = np.array([comb(int(n), int(m)) for n, m in zip(units, few, strict=True)], float)
    chosen = np.stack([sums[max(m - 1, 0), ..., r, :] for r, m in enumerate(few)], axis=-2)
    return chosen / np.maximum(draws, 1)[:, None]
