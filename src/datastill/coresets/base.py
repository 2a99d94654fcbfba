"""What a coreset is: real images picked to stand for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from datastill.data import ImageSet
from datastill.registry import Registry
from datastill.rng import Key


class Coreset(Protocol):
    """Picks real images of every class: the baselines of distillation."""

    def __call__(self, real: ImageSet, counts: Sequence[int], *, key: Key) -> Tensor:
        """Return the rows of the images picked, sorted by class.

        Args:
            real: training images.
            counts: how many to pick of each class; no class has fewer.
            key: decides ties and chances.
        """
        ...


CORESETS = Registry[Coreset]("coreset")
