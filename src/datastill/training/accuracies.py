"""What networks reach on a test set: their accuracies, and how two sets of them differ."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit  # scipy.stats takes half a second to import

from datastill.base.wording import counted

LEAST_PAIRS = 3
"""Pairs whose interval is told. Of two, Student's t multiplies the standard error by 12.7: wider
than any difference of accuracies, most often, it would only look like knowledge."""

EQUAL = 1e-9
"""Differences of accuracies this near to each other are equal: they are shares of test images."""


@dataclass(frozen=True)
class Accuracies:
    """Test accuracy of each network, at its last epoch.

    >>> print(Accuracies((0.8, 0.9)))
    85.0 ± 7.1 % (n=2)
    >>> print(Accuracies((0.8,)))
    80.0 % (n=1)
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over networks, between 0 and 1."""
        return statistics.mean(self.values)

    @property
    def std(self) -> float | None:
        """The sample standard deviation over networks (n - 1); None of one, which has no spread."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def __str__(self) -> str:
        spread = "" if self.std is None else f" ± {100 * self.std:.1f}"
        return f"{100 * self.mean:.1f}{spread} % (n={len(self.values)})"


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences, with its 95 % interval by Student's t.

    As text it has the interval of ``LEAST_PAIRS`` and more, cut at the largest difference that
    accuracies can have, and says how many pairs there are in its place where there is none.

    >>> print(difference(Accuracies((0.8, 0.9, 0.85)), Accuracies((0.7, 0.8, 0.74))))
    +10.3 (+8.9 to +11.8)
    >>> print(difference(Accuracies((0.8, 0.9)), Accuracies((0.7, 0.85))))
    +7.5 (2 pairs)

    Attributes:
        mean: of the differences, between -1 and 1.
        interval: of their mean. None of one pair, and where all differences are equal: what does
            not vary in a few pairs does not show how much it varies in others.
        pairs: how many.
    """

    mean: float
    interval: tuple[float, float] | None
    pairs: int

    def __str__(self) -> str:
        told = counted(self.pairs, "pair")
        if self.interval is None and self.pairs > 1:
            told = f"{self.pairs} equal pairs"
        elif self.interval is not None and self.pairs >= LEAST_PAIRS:
            low, high = (max(-100.0, min(100 * end, 100.0)) for end in self.interval)
            told = f"{low:+.1f} to {high:+.1f}"
        return f"{100 * self.mean:+.1f} ({told})"


def difference(one: Accuracies, other: Accuracies) -> Difference:
    """Compare two sets of trials pair by pair.

    Raises:
        ValueError: when there are more trials of one than of the other.
    """
    deltas = [a - b for a, b in zip(one.values, other.values, strict=True)]
    mean, count = statistics.mean(deltas), len(deltas)
    if count < 2 or max(deltas) - min(deltas) < EQUAL:
        return Difference(mean, None, count)
    reach = float(stdtrit(count - 1, 0.975)) * statistics.stdev(deltas) / count**0.5
    return Difference(mean, (mean - reach, mean + reach), count)


def crossed_difference(one: Sequence[Accuracies], other: Sequence[Accuracies]) -> Difference:
    """Compare sets of several seeds, on each of which the same networks were trained.

    Two things vary then: the sets, and the networks that all of them are judged by. The mean over
    all seeds and networks has the widest of three 95 % intervals: Student's over seeds (each the
    mean over its networks), Student's over networks (each the mean over its seeds), and that of
    both at once, by components of variance, with Satterthwaite's degrees of freedom. Where one of
    the two seems not to vary at all, as a few may by chance, the larger of the two units decides.
    Simulated, such an interval holds the truth in 95 to 99 of 100 cases, whatever varies more.

    Args:
        one: for each seed, the accuracies of its networks: network ``i`` is the same for all.
        other: the same, in the same order.

    Returns:
        The difference, whose pairs are those of seeds.

    Raises:
        ValueError: when there are more seeds, or networks, of one than of the other.
    """
    found = np.array(
        [
            [a - b for a, b in zip(mine.values, its.values, strict=True)]
            for mine, its in zip(one, other, strict=True)
        ]
    )
    mean, seeds = float(found.mean()), len(found)
    if seeds < 2 or np.ptp(found) < EQUAL:
        return Difference(mean, None, seeds)
    reach = max(float(stdtrit(free, 0.975)) * error for error, free in _errors(found))
    return Difference(mean, (mean - reach, mean + reach), seeds)


def _errors(found: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> list[tuple[float, float]]:
    # Standard errors of the mean of a table, each with its degrees of freedom.
    rows, columns = found.shape
    by_row, by_column = found.mean(1, keepdims=True), found.mean(0, keepdims=True)
    row = float(by_row.var(ddof=1)) / rows
    errors: list[tuple[float, float]] = [(row**0.5, rows - 1)]
    if columns == 1:
        return errors
    column = float(by_column.var(ddof=1)) / columns
    errors.append((column**0.5, columns - 1))
    inner = (rows - 1) * (columns - 1)
    rest = float(((found - by_row - by_column + found.mean()) ** 2).sum()) / inner / found.size
    if min(row, column) > rest:  # both components are above zero
        both = row + column - rest
        spread = row**2 / (rows - 1) + column**2 / (columns - 1) + rest**2 / inner
        errors.append((both**0.5, max(both**2 / spread, min(rows, columns) - 1)))
    return errors
