"""How far a column of scores and one of accuracies go together, over recipes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from datastill.evaluation.studies.coefficients import COEFFICIENTS, Numbers
from datastill.evaluation.studies.resampling import Group, Resampling, Strata, drawn


@dataclass(frozen=True)
class Coefficient:
    """A correlation with its 95 % interval, by a bootstrap over recipes, and sets of each."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """How a score and validated accuracy go together over some sets.

    Attributes:
        sets: how many.
        recipes: that they were made by, counted in each group; in one of a single recipe sets
            count.
        spearman: of ranks.
        kendall: tau-b, of pairs.
        pearson: of values.
        p: of the rank correlation of the recipes' means, two-sided, by permuting recipes.
        corrected: the same after the false discovery rate of all assessments (Benjamini and
            Hochberg).
        regret: accuracy lost, on average, by picking the best by its score of ``CANDIDATES`` sets
            drawn by chance within a group, in place of the best of them.
    """

    sets: int
    recipes: int
    spearman: Coefficient
    kendall: Coefficient
    pearson: Coefficient
    p: float
    corrected: float
    regret: float


def agreement(
    x: Numbers,
    y: Numbers,
    strata: Strata,
    resampling: Resampling,
    *address: str,
    recipes: Sequence[Hashable] | None = None,
) -> Agreement:
    """Correlate two columns within groups, and average over the groups.

    Recipes are drawn anew, and permuted, see ``resampling.drawn``. Where one column is constant
    within a group, they agree there by 0.

    Args:
        x: ``(N,)`` scores, signed so that more is better.
        y: ``(N,)`` accuracies.
        strata: rows of each group.
        resampling: how often.
        address: of the random draws.
        recipes: ``(N,)``, by which sets were made; by default each by its own.
    """
    own = range(len(x)) if recipes is None else recipes
    return agreed(x, y, drawn(strata, own, resampling, *address))


def agreed(x: Numbers, y: Numbers, groups: Sequence[Group]) -> Agreement:
    """Correlate two columns as ``agreement`` does, by draws that several share."""
    found: dict[str, Coefficient] = {}
    for name in COEFFICIENTS:
        value = averaged(x, y, groups, name)
        found[name] = coefficient(value, sampled(x, y, groups, name))
    p = _p_value(x, y, groups)
    return Agreement(
        sum(len(group.rows) for group in groups),
        sum(group.count for group in groups),
        **found,
        p=p,
        corrected=p,
        regret=sum(group.share * _regret(x, y, group) for group in groups),
    )


def averaged(x: Numbers, y: Numbers, groups: Sequence[Group], name: str) -> float:
    """Return a coefficient by its name, averaged over groups."""
    found = (
        COEFFICIENTS[name](x[group.rows], y[group.rows], np.ones((1, len(group.rows))))
        for group in groups
    )
    return sum(group.share * float(one[0]) for group, one in zip(groups, found, strict=True))


def sampled(x: Numbers, y: Numbers, groups: Sequence[Group], name: str) -> Numbers:
    """Return the same of every bootstrap sample, ``(B,)``."""
    parts = [g.share * COEFFICIENTS[name](x[g.rows], y[g.rows], g.weights) for g in groups]
    return np.sum(parts, axis=0)


def coefficient(value: float, samples: Numbers) -> Coefficient:
    """Return a value with the interval that its samples tell."""
    low, high = np.quantile(samples, [0.025, 0.975])
    return Coefficient(value, float(low), float(high))


def _regret(x: Numbers, y: Numbers, group: Group) -> float:
    scores, accuracies = (column[group.rows][group.candidates] for column in (x, y))
    liked = scores == scores.max(1, keepdims=True)  # among equals the pick is by chance
    picked = (accuracies * liked).sum(1) / liked.sum(1)
    return float((accuracies.max(1) - picked).mean())


def _p_value(x: Numbers, y: Numbers, groups: Sequence[Group]) -> float:
    # As scipy.stats.permutation_test does with pairings, which knows no groups and no recipes.
    total, permuted = 0.0, np.zeros(len(groups[0].orders))
    for group in groups:
        ranks, wanted = (group.means(stats.rankdata(column[group.rows])) for column in (x, y))
        ranks, wanted = ranks - ranks.mean(), wanted - wanted.mean()
        norm = float(np.linalg.norm(ranks) * np.linalg.norm(wanted))
        if norm > 1e-9:
            total += group.share * float(ranks @ wanted) / norm
            permuted += group.share * (ranks[group.orders] @ wanted) / norm
    as_far = int((np.abs(permuted) >= abs(total) - 1e-9).sum())
    return (as_far + 1) / (len(permuted) + 1)
