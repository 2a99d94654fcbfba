"""Herding: images whose running mean stays near the mean of their class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.training.coresets.base import CORESETS, class_by_class, marked


@CORESETS.register("herding")
@marked(looks_at_features=True, without_chance=True)
def herding(
    real: ImageSet, counts: Sequence[int], *, key: Key, features: Tensor | None = None
) -> Tensor:
    r"""Pick, one after another, the image that brings the mean of those picked nearest to the mean.

    With :math:`\mu` the mean of the class, the :math:`k`-th image is
    :math:`\arg\min_x \| \mu - \frac{1}{k} (x + \sum_{j<k} x_j) \|`, among those not yet picked.
    Nothing is left to chance.

    Reference:
        Welling, Herding Dynamical Weights to Learn, ICML 2009; greedy as in Rebuffi et al., iCaRL,
        CVPR 2017.
    """

    def pick(points: Tensor, count: int, label: int) -> list[int]:
        mean, total = points.mean(0), torch.zeros_like(points[0])
        free, chosen = torch.ones(len(points), dtype=torch.bool), list[int]()
        for k in range(1, count + 1):
            # |mean - (total + x) / k| is least where |x - (k mean - total)| is.
            distance = (points - (k * mean - total)).square().sum(1)
            best = int(distance.masked_fill(~free, torch.inf).argmin())
            free[best] = False
            total += points[best]
            chosen.append(best)
        return chosen

    return class_by_class(real, counts, features, pick)
