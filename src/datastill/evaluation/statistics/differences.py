"""By how much one estimate is larger than another of the same units: of a pair, and of all pairs.

What two estimates have in common cancels: who looks whether one interval excludes what the other
holds, or that one excludes 0 and the other does not, knows nothing of their difference.

References:
    Venzon and Moolgavkar, A method for computing profile-likelihood-based confidence intervals,
    Applied Statistics 37, 1988 (the limits of a function of two estimates that are nearly normal).
    Hothorn, Bretz and Westfall, Simultaneous inference in general parametric models, Biometrical
    Journal 50, 2008 (one quantile for all).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from datastill.evaluation.statistics.coefficients import Numbers
from datastill.evaluation.statistics.intervals import CONFIDENCE, Spread

CHUNK = 250
"""Studies that are drawn at once."""
ANGLES = np.linspace(0, 2 * np.pi, 361)
"""Where an ellipse is looked at."""
ROUNDING = 1e-6


@dataclass(frozen=True)
class Difference:
    """By how much one estimate is larger than another.

    Attributes:
        value: the difference.
        low: where the truth is, in 95 of 100 studies that looked at no other pair.
        high: of the same.
        lowest: where the truth is of every pair at once, in 95 of 100 studies: to be read of a
            pair that was chosen after looking at all.
        highest: of the same.
    """

    value: float
    low: float
    high: float
    lowest: float
    highest: float


def between(
    spread: Spread, one: int, other: int, quantile: float | None = None
) -> tuple[float, float]:
    """Return where the truth of ``values[one] - values[other]`` lies.

    On their scale the pair lies within an ellipse around what was found; the interval goes from the
    smallest difference in there to the largest. So it holds 0 where the difference on the scale
    does, and two that every unit moves alike do not differ.

    Args:
        spread: of ``(A,)`` estimates.
        one: which is asked how much larger it is.
        other: than which.
        quantile: standard errors; by default Student's.
    """
    quantile = spread.quantile if quantile is None else quantile
    first, second = spread.errors[[one, other]]
    common = float(spread.shifts[one] @ spread.shifts[other]) / max(first, 1e-12)
    rest = math.sqrt(max(second**2 - common**2, 0))
    across = spread.middles[one] + quantile * first * np.cos(ANGLES)
    up = spread.middles[other] + quantile * (common * np.cos(ANGLES) + rest * np.sin(ANGLES))
    value = float(spread.values[one] - spread.values[other])
    found = spread.scale.back(across) - spread.scale.back(up)
    if value == 0 and np.ptp(found) < ROUNDING:
        return 0.0, 0.0
    return min(float(found.min()), value), max(float(found.max()), value)


def simultaneous(spread: Spread, times: int, rng: np.random.Generator) -> float:
    """Return the quantile that holds for all pairs of ``(A,)`` estimates at once.

    Studies are drawn whose units move the estimates by the normal law, as much and as much in
    common as these do; of each the largest of all pairs' studentised differences is taken.

    Args:
        spread: of the estimates.
        times: studies that are drawn.
        rng: draws them.
    """
    count = spread.shifts.shape[-1]
    largest = [
        _largest(rng.normal(size=(min(CHUNK, times - done), count, count)) @ spread.shifts.T)
        for done in range(0, times, CHUNK)
    ]
    found = float(np.quantile(np.concatenate(largest), CONFIDENCE))
    return max(found, spread.quantile)


def _largest(moved: Numbers) -> Numbers:
    # ``(B, K, A)``: of each study what each unit does to each estimate.
    count = moved.shape[1]
    mean = moved.mean(1)
    rest = moved - mean[:, None]
    common = rest.swapaxes(1, 2) @ rest / (count - 1)
    own = np.einsum("baa->ba", common)
    variance = own[:, :, None] + own[:, None] - 2 * common
    squares = count * (mean[:, :, None] - mean[:, None]) ** 2
    # Estimates that every unit moves alike do not differ, but by rounding.
    known = variance > 1e-9 * (own[:, :, None] + own[:, None]) + 1e-300
    return np.sqrt(np.where(known, squares / np.where(known, variance, 1), 0)).max((1, 2))
