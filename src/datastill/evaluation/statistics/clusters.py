"""Who is independent of whom: rows in groups, and the units that they belong to.

Sets of one recipe are relatives: of the FashionMNIST study seeds explain 2.4 % of the variance of
ranks, and recipes the rest. A study of 13 recipes and three seeds has 13 witnesses and not 39. So
what is left out, drawn anew and permuted is a unit with all of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from datastill.evaluation.statistics.coefficients import Numbers

Rows = NDArray[np.int64]
Strata = Sequence[Rows]
Statistic = Callable[["Group", Numbers], Numbers]
"""From a group, and how often each of its rows is there ``(R, n)``, to ``(..., R)`` numbers."""


@dataclass(frozen=True, eq=False)
class Group:
    """Rows within which something is looked for.

    Attributes:
        rows: ``(n,)``.
        units: ``(n,)``, the number of each row's unit among all of the clusters.
    """

    rows: Rows
    units: Rows

    @cached_property
    def held(self) -> Rows:
        """The numbers of the units that the group has, ``(K,)``."""
        return np.unique(self.units)

    @cached_property
    def members(self) -> Numbers:
        """1 for the rows of each unit, 0 for the others, ``(K, n)``."""
        return (self.held[:, None] == self.units).astype(float)

    def means(self, values: Numbers | NDArray[np.bool_]) -> Numbers:
        """Return the means of ``(..., n)`` values over the rows of each unit, ``(..., K)``."""
        return values @ (self.members / self.members.sum(1, keepdims=True)).T


@dataclass(frozen=True, eq=False)
class Clusters:
    """Groups of rows, and the units of which nobody is a relative of another.

    Attributes:
        groups: within which something is looked for, and averaged.
        count: units, in all groups together: one may have rows in several.
    """

    groups: tuple[Group, ...]
    count: int

    @classmethod
    def of(cls, strata: Strata, units: Sequence[Hashable], *, alone: bool = False) -> Clusters:
        """Sort rows into groups and units.

        Args:
            strata: rows of each group.
            units: of all rows.
            alone: in a group of one unit take its rows for units: nothing else is left to count.
        """
        labels = [_labels(rows, units, alone) for rows in strata]
        known = {label: i for i, label in enumerate(dict.fromkeys(chain.from_iterable(labels)))}
        groups = (
            Group(rows, np.array([known[label] for label in own]))
            for rows, own in zip(strata, labels, strict=True)
        )
        return cls(tuple(groups), len(known))

    def without_each(self, statistic: Statistic) -> Numbers:
        """Average a statistic over groups: of all, and without each unit, ``(..., 1 + count)``.

        A group weighs one less than its number of rows: the inverse of the variance of a rank
        correlation.
        """
        found, total = np.zeros(()), np.zeros(())
        for group in self.groups:
            kept = np.ones((1 + self.count, len(group.rows)))
            kept[1:][np.arange(self.count)[:, None] == group.units] = 0
            share = np.maximum(kept.sum(1) - 1, 0)
            found, total = found + share * statistic(group, kept), total + share
        return found / np.maximum(total, 1e-12)


def _labels(rows: Rows, units: Sequence[Hashable], alone: bool) -> list[Hashable]:
    found: list[Hashable] = [units[row] for row in rows]
    if alone and len(set(found)) == 1:
        return [(name, row) for name, row in zip(found, rows, strict=True)]
    return found
