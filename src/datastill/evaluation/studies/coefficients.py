"""Correlations of two columns, for thousands of resampled studies at once.

Each row has a weight: how often it is there in a resampled study; 1 everywhere is the study itself.
Constant columns agree with nothing: 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def pearson(x: Numbers, y: Numbers, weights: Numbers) -> Numbers:
    """Correlate values.

    Args:
        x: ``(N,)``, or ``(B, N)``.
        y: the same.
        weights: ``(B, N)``.

    Returns:
        ``(B,)``.
    """
    total = np.maximum(weights.sum(-1, keepdims=True), 1e-12)
    a, b = (values - _dot(weights, values)[..., None] / total for values in (x, y))
    return _ratio(_dot(weights, a * b), _dot(weights, a**2) * _dot(weights, b**2))


def spearman(x: Numbers, y: Numbers, weights: Numbers) -> Numbers:
    """Correlate the ranks that rows have when each is there as often as its weight says."""
    return pearson(_ranks(x, weights), _ranks(y, weights), weights)


def kendall(x: Numbers, y: Numbers, weights: Numbers) -> Numbers:
    """Return tau-b: how many pairs of rows are in the same order, less those that are not."""
    one, other = (np.sign(values[:, None] - values[None, :]) for values in (x, y))
    agree, first, second = (
        _dot(weights @ pairs, weights) for pairs in (one * other, one**2, other**2)
    )
    return _ratio(agree, first * second)


COEFFICIENTS: Mapping[str, Callable[[Numbers, Numbers, Numbers], Numbers]] = {
    "spearman": spearman,
    "kendall": kendall,
    "pearson": pearson,
}


def _dot(one: Numbers, other: Numbers) -> Numbers:
    return np.einsum("...n,...n->...", one, other)


def _ranks(values: Numbers, weights: Numbers) -> Numbers:
    # Midranks but for a constant: what lies below, and half of what is equal.
    below = (values[None, :] < values[:, None]) + 0.5 * (values[None, :] == values[:, None])
    return weights @ below.T


def _ratio(product: Numbers, squares: Numbers) -> Numbers:
    norm = np.sqrt(np.maximum(squares, 0))
    return product / np.where(norm > 1e-12, norm, np.inf)
