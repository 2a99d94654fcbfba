"""Correlations of two columns, for many resampled studies at once.

Each row has a weight: how often it is there in a resampled study; 1 everywhere is the study itself,
0 for the sets of one recipe the study without it. Constant columns agree with nothing: 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Correlation = Callable[[Numbers, Numbers, Numbers], Numbers]


def pearson(x: Numbers, y: Numbers, weights: Numbers) -> Numbers:
    """Correlate values.

    Args:
        x: ``(..., N)``.
        y: ``(..., N)``, broadcast against ``x``.
        weights: ``(R, N)``.

    Returns:
        ``(..., R)``.
    """
    return _weighed(x[..., None, :], y[..., None, :], weights)


def spearman(x: Numbers, y: Numbers, weights: Numbers) -> Numbers:
    """Correlate the ranks that rows have when each is there as often as its weight says."""
    return _weighed(ranks(x, weights), ranks(y, weights), weights)


def kendall(x: Numbers, y: Numbers, weights: Numbers) -> Numbers:
    """Return tau-b: how many pairs of rows are in the same order, less those that are not."""
    one, other = (np.sign(values[..., :, None] - values[..., None, :]) for values in (x, y))
    agree, first, second = (
        _dot(weights @ pairs, weights) for pairs in (one * other, one**2, other**2)
    )
    return _ratio(agree, first * second)


CORRELATIONS: Mapping[str, Correlation] = {
    "spearman": spearman,
    "kendall": kendall,
    "pearson": pearson,
}


def ranks(values: Numbers, weights: Numbers) -> Numbers:
    """Return the midranks of ``(..., N)`` values, but for a constant, ``(..., R, N)``.

    They are what lies below, and half of what is equal.
    """
    below = (values[..., None, :] < values[..., :, None]).astype(float)
    below += 0.5 * (values[..., None, :] == values[..., :, None])
    return weights @ below.swapaxes(-1, -2)


def _weighed(x: Numbers, y: Numbers, weights: Numbers) -> Numbers:
    total = np.maximum(weights.sum(-1, keepdims=True), 1e-12)
    a, b = (values - _dot(weights, values)[..., None] / total for values in (x, y))
    return _ratio(_dot(weights, a * b), _dot(weights, a**2) * _dot(weights, b**2))


def _dot(one: Numbers, other: Numbers) -> Numbers:
    return np.einsum("...n,...n->...", one, other)


def _ratio(product: Numbers, squares: Numbers) -> Numbers:
    norm = np.sqrt(np.maximum(squares, 0))
    return product / np.where(norm > 1e-12, norm, np.inf)
