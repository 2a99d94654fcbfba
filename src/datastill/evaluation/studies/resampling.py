"""Studies that might have been: recipes drawn anew, and recipes that change places.

Sets of one recipe are relatives: of the FashionMNIST study seeds explain 2.4 % of the variance of
ranks, and recipes the rest. A study of 13 recipes and three seeds has 13 witnesses and not 39, so
what is drawn anew, and what is permuted, are recipes.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from datastill.base.errors import in_plain_numbers, whole
from datastill.base.rng import Key, require_key
from datastill.evaluation.studies.coefficients import Numbers

Rows = NDArray[np.int64]
Strata = Sequence[Rows]

CANDIDATES = 8
"""Sets among which a person is supposed to choose. Of all sets of a study the best one may have
been made to score best; among a few that were drawn by chance it seldom is there."""


@dataclass(frozen=True)
class Resampling:
    """How often to draw anew.

    Attributes:
        key: decides the draws.
        bootstraps: samples of recipes and sets for an interval.
        permutations: of recipes for a p-value.
        choices: among ``CANDIDATES`` sets, for a regret.
    """

    key: Key
    bootstraps: int = 4000
    permutations: int = 9999
    choices: int = 2000

    def __post_init__(self) -> None:
        require_key(self.key)
        numbers = ("bootstraps", "permutations", "choices")
        whole(**{name: getattr(self, name) for name in numbers})
        in_plain_numbers(self, *numbers)

    def generator(self, *path: str) -> np.random.Generator:
        """Return the generator at an address."""
        return np.random.default_rng(self.key.at(*path).seed)


@dataclass(frozen=True, eq=False)
class Group:
    """Sets within which agreement is looked for, and what is drawn of them.

    Attributes:
        rows: ``(n,)``, of the sets.
        share: of the group in an average over groups.
        units: ``(n,)``, the number of each set's recipe within the group.
        weights: ``(B, n)``, how often each set is there in every bootstrap sample.
        orders: ``(P, K)``, the recipe that takes the place of each in every permutation.
        candidates: ``(C, 8)``, sets of the group to choose among; fewer where it has fewer.
    """

    rows: Rows
    share: float
    units: Rows
    weights: Numbers
    orders: Rows
    candidates: Rows

    @property
    def count(self) -> int:
        """How many recipes the group has."""
        return self.orders.shape[1]

    def means(self, values: Numbers) -> Numbers:
        """Return the mean of ``(n,)`` values over the sets of each recipe, ``(K,)``."""
        return np.bincount(self.units, values) / np.bincount(self.units)


def drawn(
    strata: Strata, recipes: Sequence[Hashable], resampling: Resampling, *address: str
) -> list[Group]:
    """Draw recipes and permute them, the same for every column that is looked at.

    A bootstrap sample draws as many recipes as a group has, with replacement, and of the sets of
    each as many as it has (a hierarchical bootstrap). Groups that hold the same recipes, one at
    several sizes, draw and permute them together. In a group of one recipe alone sets are drawn
    and permuted, each by itself.

    A group weighs one less than its number of sets: the inverse of the variance of a rank
    correlation.

    Args:
        strata: rows of each group.
        recipes: of all rows.
        resampling: how often.
        address: of the draws.
    """
    labels = [_labels(rows, recipes) for rows in strata]
    known = {label: i for i, label in enumerate(dict.fromkeys(chain.from_iterable(labels)))}
    chances = resampling.generator("bootstrap", *address)
    # Each group takes of one sequence those that it holds: enough for all but one in millions.
    sequence = chances.integers(
        len(known), size=(resampling.bootstraps, 4 * len(known) + 40), dtype=np.int32
    )
    places = resampling.generator("permutation", *address).random(
        (resampling.permutations, len(known))
    )
    picking = resampling.generator("choice", *address)
    total = sum(len(rows) - 1.0 for rows in strata)
    found: list[Group] = []
    for rows, names in zip(strata, labels, strict=True):
        held, units = np.unique([known[name] for name in names], return_inverse=True)
        weights = _weights(sequence, held, len(known), units, chances)
        orders = np.argsort(places[:, held], axis=1)
        shuffled = np.argsort(picking.random((resampling.choices, len(rows))), axis=1)
        share = (len(rows) - 1.0) / total
        found.append(Group(rows, share, units, weights, orders, shuffled[:, :CANDIDATES]))
    return found


def _labels(rows: Rows, recipes: Sequence[Hashable]) -> list[Hashable]:
    found: list[Hashable] = [recipes[row] for row in rows]
    alone = len(set(found)) == 1
    return [(name, row) for name, row in zip(found, rows, strict=True)] if alone else found


def _weights(
    sequence: NDArray[np.int32], held: Rows, known: int, units: Rows, rng: np.random.Generator
) -> Numbers:
    samples, count = len(sequence), len(held)
    local = np.full(known, -1)
    local[held] = np.arange(count)
    taken = local[sequence]
    mine = taken >= 0
    mine &= np.cumsum(mine, axis=1) <= count
    flat = (np.arange(samples)[:, None] * count + taken)[mine]
    times = np.bincount(flat, minlength=samples * count).reshape(samples, count)
    weights = np.empty((samples, len(units)))
    for unit in range(count):
        own = np.flatnonzero(units == unit)
        each = np.full(len(own), 1 / len(own))
        weights[:, own] = rng.multinomial(times[:, unit] * len(own), each)
    return weights
