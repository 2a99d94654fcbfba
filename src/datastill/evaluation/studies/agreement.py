"""How far columns of scores and one of accuracies go together, over recipes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from datastill.evaluation.statistics.clusters import Clusters, Group, Rows, Statistic, Strata
from datastill.evaluation.statistics.coefficients import CORRELATIONS, Correlation, Numbers
from datastill.evaluation.statistics.intervals import Interval, Spread
from datastill.evaluation.statistics.permutation import orders, p_value
from datastill.evaluation.statistics.regrets import losses
from datastill.evaluation.studies.resampling import Resampling

LEAST_FAMILIES = 3
"""Families that an interval by families asks for."""


@dataclass(frozen=True)
class Agreement:
    """How a score and validated accuracy go together over some sets.

    Attributes:
        sets: how many.
        recipes: that they were made by; in a group of a single recipe sets count.
        families: of these recipes: what made them, with CLOM or without.
        spearman: of ranks.
        kendall: tau-b, of pairs.
        pearson: of values.
        by_family: Spearman's, where all sets of a family are relatives; None for fewer than
            ``LEAST_FAMILIES``.
        without: Spearman's without each family; nothing where there is one alone.
        p: of the rank correlation of the recipes' means, two-sided, by permuting recipes.
        corrected: the same after the false discovery rate of all assessments (Benjamini and
            Hochberg).
        regret: accuracy lost, on average, by picking the best by its score of a few recipes, a
            set of each, that chance offers within a group, in place of the best of them.
    """

    sets: int
    recipes: int
    families: int
    spearman: Interval
    kendall: Interval
    pearson: Interval
    by_family: Interval | None
    without: Mapping[str, float]
    p: float
    corrected: float
    regret: Interval


@dataclass(frozen=True, eq=False)
class Ground:
    """Sets among which agreement is looked for, and which of them are relatives.

    Attributes:
        recipes: groups of sets, and the recipe of each.
        families: the same groups, and the family of each.
        names: of the families, by their numbers.
        permuted: recipes within groups, see ``permutation.orders``.
    """

    recipes: Clusters
    families: Clusters
    names: tuple[str, ...]
    permuted: list[Rows]

    @classmethod
    def of(
        cls,
        strata: Strata,
        recipes: Sequence[Hashable],
        families: Sequence[str],
        resampling: Resampling,
        *address: str,
    ) -> Ground:
        """Sort sets into groups, and draw permutations: the same for all that is looked at.

        Args:
            strata: rows of each group.
            recipes: of all rows.
            families: of all rows.
            resampling: how often.
            address: of the draws.
        """
        clusters = Clusters.of(strata, recipes, alone=True)
        held = tuple(dict.fromkeys(families[int(row)] for rows in strata for row in rows))
        times, rng = resampling.permutations, resampling.generator("permutation", *address)
        permuted = orders(clusters, times, rng)
        return cls(clusters, Clusters.of(strata, families), held, permuted)

    @property
    def sets(self) -> int:
        """How many, in all groups."""
        return sum(len(group.rows) for group in self.recipes.groups)

    def correlation(self, name: str, x: Numbers, y: Numbers) -> Spread:
        """Correlate ``(..., N)`` scores with ``(N,)`` accuracies within groups, and average."""
        replicates = self.recipes.without_each(_within(CORRELATIONS[name], x, y))
        return Spread.of_correlations(replicates)


def agreed(x: Numbers, y: Numbers, ground: Ground) -> list[Agreement]:
    """Hold columns of scores against accuracies.

    Where one column is constant within a group, they agree there by 0.

    Args:
        x: ``(A, N)`` scores, signed so that more is better.
        y: ``(N,)`` accuracies.
        ground: sets among which agreement is looked for.
    """
    found = {name: ground.correlation(name, x, y).intervals() for name in CORRELATIONS}
    told = p_value(x, y, ground.recipes, ground.permuted)
    lost, apart = losses(x, y, ground.recipes).intervals(), _by_family(x, y, ground)
    return [
        Agreement(
            ground.sets,
            ground.recipes.count,
            len(ground.names),
            **{name: intervals[i] for name, intervals in found.items()},
            by_family=apart[i][0],
            without=apart[i][1],
            p=float(told[i]),
            corrected=float(told[i]),
            regret=replace(lost[i], high=min(lost[i].high, 1.0)),  # nobody loses more
        )
        for i in range(len(x))
    ]


def _by_family(
    x: Numbers, y: Numbers, ground: Ground
) -> list[tuple[Interval | None, dict[str, float]]]:
    if len(ground.names) < 2:
        return [(None, {})] * len(x)
    replicates = ground.families.without_each(_within(CORRELATIONS["spearman"], x, y))
    intervals = Spread.of_correlations(replicates).intervals()
    enough = len(ground.names) >= LEAST_FAMILIES
    return [
        (
            interval if enough else None,
            dict(zip(ground.names, map(float, row[1:]), strict=True)),
        )
        for interval, row in zip(intervals, replicates, strict=True)
    ]


def _within(correlation: Correlation, x: Numbers, y: Numbers) -> Statistic:
    def statistic(group: Group, kept: Numbers) -> Numbers:
        return correlation(x[..., group.rows], y[..., group.rows], kept)

    return statistic
