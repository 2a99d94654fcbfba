"""Where the truth lies: intervals that count units, and hold what they promise when these are few.

A percentile interval of a bootstrap over few units is too short: it takes its quantiles from the
normal law, and its spread from too few draws. Here the spread is that of a jackknife, which leaves
out each unit with all of its rows, on a scale where the estimate is nearly normal, and the quantile
is Student's of one degree of freedom less than there are units.

References:
    Arvesen, Jackknifing U-statistics, Annals of Mathematical Statistics 40, 1969 (on a scale).
    MacKinnon, Nielsen and Webb, Fast and reliable jackknife and bootstrap methods for
    cluster-robust inference, Journal of Applied Econometrics 38, 2023 (``CV3``, by clusters).
    Fisher, On the probable error of a coefficient of correlation, Metron 1, 1921 (the scale).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from datastill.evaluation.statistics.coefficients import Numbers

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate, and where the truth lies in 95 of 100 studies."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Scale:
    """Where an estimate is nearly normal, and its spread depends little on the truth.

    Attributes:
        there: from estimates of so many units to the scale.
        back: to estimates.
    """

    there: Callable[[Numbers, int], Numbers]
    back: Callable[[Numbers], Numbers]


def nearest(count: int) -> float:
    """Return how near to full agreement so few units are taken to be, at the most."""
    return 1 - 0.5 / max(count, 2) ** 2


def _fisher(values: Numbers, count: int) -> Numbers:
    return np.arctanh(np.clip(values, -nearest(count), nearest(count)))


CORRELATION = Scale(_fisher, np.tanh)
"""Fisher's."""

LOSS = Scale(lambda values, _: np.cbrt(values), lambda values: np.maximum(values, 0) ** 3)
"""Of what is never below 0, and mostly small: the cube root, as Wilson and Hilferty took it."""


@dataclass(frozen=True, eq=False)
class Spread:
    """Estimates, and how far each unit moves them on their scale.

    Attributes:
        values: ``(...)``.
        middles: the same on the scale.
        shifts: ``(..., K)``, what leaving out a unit does there; the sum of squares is the square
            of the jackknife's standard error.
        least: ``(...)``, the standard error where no unit moves an estimate: that all agree does
            not say that more would.
        degrees: of freedom.
        scale: where all of that is.
    """

    values: Numbers
    middles: Numbers
    shifts: Numbers
    least: Numbers
    degrees: int
    scale: Scale

    @classmethod
    def of(
        cls, replicates: Numbers, scale: Scale, least: Numbers | float = 0.0, taken: int = 1
    ) -> Spread:
        """Take estimates from all units, and without each.

        Args:
            replicates: ``(..., 1 + K)``.
            scale: to look at them on.
            least: see above.
            taken: units that an estimate looks at together: so many degrees of freedom are lost.
        """
        count = replicates.shape[-1] - 1
        middles, without = np.split(scale.there(replicates, count), [1], axis=-1)
        apart = without.mean(-1, keepdims=True) - without
        shifts = apart * np.sqrt((count - 1) / count)
        values = replicates[..., 0]
        known = np.broadcast_to(np.asarray(least, float), values.shape)
        return cls(values, middles[..., 0], shifts, known, max(count - taken, 1), scale)

    @classmethod
    def of_correlations(cls, replicates: Numbers) -> Spread:
        """Take correlations from all units, and without each, ``(..., 1 + K)``.

        Full agreement of all has the standard error that ranks of the normal law have.
        """
        count = replicates.shape[-1] - 1
        full = np.abs(replicates[..., 0]) >= nearest(count)
        return cls.of(replicates, CORRELATION, np.where(full, 1 / np.sqrt(max(count - 3, 1)), 0))

    @property
    def quantile(self) -> float:
        """Student's."""
        return float(stdtrit(self.degrees, 0.5 + CONFIDENCE / 2))

    @property
    def errors(self) -> Numbers:
        """The standard errors on the scale, ``(...)``."""
        return np.maximum(np.linalg.norm(self.shifts, axis=-1), self.least)

    def limits(self, quantile: float | None = None) -> tuple[Numbers, Numbers]:
        """Return where the truth lies, by so many standard errors, ``(...)`` each."""
        far = (self.quantile if quantile is None else quantile) * self.errors
        low, high = (self.scale.back(self.middles + side * far) for side in (-1, 1))
        # Whoever rounds on the way must not leave the estimate outside.
        return np.minimum(low, self.values), np.maximum(high, self.values)

    def intervals(self) -> list[Interval]:
        """Return each of ``(A,)`` estimates with its interval; of a single one a list of one."""
        low, high = self.limits()
        columns = (np.atleast_1d(one) for one in (self.values, low, high))
        return [Interval(*map(float, row)) for row in zip(*columns, strict=True)]
