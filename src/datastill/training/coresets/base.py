"""What a coreset is: real images picked to stand for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from datastill.base.registry import Registry
from datastill.base.rng import Key
from datastill.data import ImageSet, require_held


class Coreset(Protocol):
    """Picks real images of every class: the baselines of distillation."""

    def __call__(
        self,
        real: ImageSet,
        counts: Sequence[int],
        *,
        key: Key,
        features: Tensor | None = None,
    ) -> Tensor:
        """Return the rows of the images picked, sorted by class.

        Args:
            real: training images.
            counts: how many to pick of each class.
            key: decides ties and chances.
            features: ``(N, D)``, the space in which images are near or far; by default pixels.

        Raises:
            InputError: when a class has fewer images than are to be picked, see
                ``data.require_held``.
        """
        ...


CORESETS = Registry[Coreset]("coreset", "datastill.coresets")


def class_by_class(
    real: ImageSet,
    counts: Sequence[int],
    features: Tensor | None,
    pick: Callable[[Tensor, int, int], Sequence[int]],
) -> Tensor:
    """Pick in every class by itself.

    Args:
        real: training images.
        counts: how many to pick of each class.
        features: ``(N, D)``, or None for pixels.
        pick: takes the ``(n, D)`` points of a class, how many to pick, and the class; returns
            their indices.

    Returns:
        The rows picked, sorted by class, on the CPU.

    Raises:
        InputError: when a class has fewer.
    """
    require_held(real, counts)
    space = real.images if features is None else features
    chosen: list[Tensor] = []
    for label, (rows, count) in enumerate(zip(real.rows_by_class, counts, strict=True)):
        points = space[rows.to(space.device)].flatten(1).detach().float().cpu()
        found = pick(points, count, label) if count else []
        chosen.append(rows[torch.tensor(list(found), dtype=torch.long)])
    return torch.cat(chosen)
