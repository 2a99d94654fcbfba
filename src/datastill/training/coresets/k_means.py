"""K-means: the real images nearest to the centres of clusters of their class."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.training.coresets.base import CORESETS, class_by_class, marked


@CORESETS.register("k-means")
@marked(looks_at_features=True)
def k_means(
    real: ImageSet, counts: Sequence[int], *, key: Key, features: Tensor | None = None
) -> Tensor:
    """Cluster each class into as many parts as wanted; pick the image nearest to each centre.

    An image nearest to two centres stands for the first; the second takes its next nearest.
    """

    def pick(points: Tensor, count: int, label: int) -> list[int]:
        centres = _centres(points, count, key.at(label))
        distance, chosen = torch.cdist(centres, points), list[int]()
        for row in distance:
            row[chosen] = torch.inf
            chosen.append(int(row.argmin()))
        return chosen

    return class_by_class(real, counts, features, pick)


def _centres(points: Tensor, count: int, key: Key) -> Tensor:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    if count == len(points):
        return points
    clusters = KMeans(count, n_init="auto", random_state=key.integer(2**31))
    with warnings.catch_warnings():
        # Equal images may be fewer clusters than asked for: then centres coincide.
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters.fit(points.numpy())
    return torch.from_numpy(clusters.cluster_centers_).to(points)
