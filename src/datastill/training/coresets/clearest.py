"""Clearest: the real images that an original model is surest of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from datastill.base.rng import Key, moved
from datastill.data import ImageSet, draw_rows, require_held
from datastill.training.coresets.base import CORESETS, Need, cross_entropies
from datastill.training.pool import Pool


@dataclass(frozen=True)
class Clearest:
    """Keep the images of the lowest cross-entropy among some that are drawn of each class.

    Among all images of a class those that a network is surest of resemble each other; a draw keeps
    some of the variety.

    Attributes:
        images: drawn of each class, or all that are wanted where these are more; None for all that
            there are (``lowest-cross-entropy``).

    Reference:
        The anchors of CIM, ECCV 2026; of whole images, as RDED (CVPR 2024) keeps crops.
    """

    images: int | None = 300
    needs: ClassVar[frozenset[Need]] = frozenset({"originals"})

    @property
    def without_chance(self) -> bool:
        """Whether it looks at all images."""
        return self.images is None

    def __call__(
        self,
        real: ImageSet,
        counts: Sequence[int],
        *,
        key: Key,
        features: Tensor | None = None,  # noqa: ARG002 - it looks at no space
        originals: Pool = (),
    ) -> Tensor:
        """Return the rows of the images, the surest of each class first."""
        require_held(real, counts)
        most = max(real.counts) if self.images is None else self.images
        drawn = [max(most, count) if count else 0 for count in counts]
        chosen: list[Tensor] = []
        for rows, count in zip(draw_rows(real, drawn, key=key), counts, strict=True):
            some = real.take(moved(rows, real.images.device))
            order = cross_entropies(originals[0], some).argsort(stable=True) if count else rows
            chosen.append(rows[order[:count].cpu()] if count else rows[:0])
        return torch.cat(chosen)


CORESETS.register("clearest")(Clearest())
CORESETS.register("lowest-cross-entropy")(Clearest(None))
