"""K-center: images that leave no other image of their class far away."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.training.coresets.base import CORESETS, class_by_class, marked


@CORESETS.register("k-center")
@marked(looks_at_features=True, without_chance=True)
def k_center(
    real: ImageSet, counts: Sequence[int], *, key: Key, features: Tensor | None = None
) -> Tensor:
    r"""Pick the image nearest to its class's mean, then always the one farthest from all picked.

    The greedy rule leaves no image farther than twice the least radius possible,
    :math:`\min_S \max_x \min_{s \in S} \| x - s \|`. Nothing is left to chance.

    Reference:
        Gonzalez, Clustering to Minimize the Maximum Intercluster Distance, 1985; as a coreset in
        Sener and Savarese, ICLR 2018.
    """

    def pick(points: Tensor, count: int, label: int) -> list[int]:
        first = int((points - points.mean(0)).square().sum(1).argmin())
        chosen, nearest = [first], torch.full((len(points),), torch.inf)
        while len(chosen) < count:
            nearest = nearest.minimum((points - points[chosen[-1]]).square().sum(1))
            nearest[chosen] = -1  # equal images have distance 0, and are picked once all the same
            chosen.append(int(nearest.argmax()))
        return chosen

    return class_by_class(real, counts, features, pick)
