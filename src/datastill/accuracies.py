"""What networks reach on a test set: their accuracies, and how two sets of them differ."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from scipy import stats

from datastill.wording import counted

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
    low, high = stats.t.interval(0.95, count - 1, loc=mean, scale=stats.sem(deltas))
    return Difference(mean, (float(low), float(high)), count)
