"""What networks reach on a test set: their accuracies, and how two sets of them differ."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True)
class Accuracies:
    """Test accuracy of each network, at its last epoch.

    >>> print(Accuracies((0.8, 0.9)))
    85.0 ± 5.0 % (n=2)
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over networks, between 0 and 1."""
        return statistics.mean(self.values)

    @property
    def std(self) -> float:
        """The population standard deviation over networks, as papers of the field report it."""
        return statistics.pstdev(self.values)

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} ± {100 * self.std:.1f} % (n={len(self.values)})"


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences, with the 95 % interval of Student's t; None for one pair.

    >>> print(difference(Accuracies((0.8, 0.9, 0.85)), Accuracies((0.7, 0.8, 0.74))))
    +10.3 (+8.9 to +11.8)
    """

    mean: float
    interval: tuple[float, float] | None

    def __str__(self) -> str:
        if self.interval is None:
            return f"{100 * self.mean:+.1f}"
        low, high = self.interval
        return f"{100 * self.mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def difference(one: Accuracies, other: Accuracies) -> Difference:
    """Compare two sets of trials pair by pair."""
    pairs = zip(one.values, other.values, strict=True)
    deltas = [a - b for a, b in pairs]
    mean = statistics.mean(deltas)
    if len(deltas) < 2:
        return Difference(mean, None)
    if len(set(deltas)) == 1:
        return Difference(mean, (mean, mean))
    interval = stats.t.interval(0.95, len(deltas) - 1, loc=mean, scale=stats.sem(deltas))
    return Difference(mean, (float(interval[0]), float(interval[1])))
