"""Random tiles: random real images, shrunk, several of them in the bytes of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from datastill.base.rng import Key, moved
from datastill.data import ImageSet, draw_rows, require_held
from datastill.data.tiles import Unfold, unfolded
from datastill.training.coresets.base import CORESETS


@dataclass(frozen=True)
class RandomTiles:
    """Draw as many images as fit into those wanted, if each holds several smaller ones.

    What a method that learns images in tiles has to beat with the bytes that it takes. It is the
    start that Kim et al. call mixed, but shrunk with anti-aliasing, where theirs takes nearest
    pixels, and rounded to bytes. Where a class has fewer images than smaller
    ones are wanted, each is taken again once all were.

    Attributes:
        factor: smaller images along a side of one.

    Reference:
        Kim et al., Dataset Condensation via Efficient Synthetic-Data Parameterization, ICML 2022.
    """

    factor: int = 2

    @property
    def unfold(self) -> Unfold:
        """How what is stored becomes what networks are shown."""
        return Unfold(self.factor)

    def __call__(
        self,
        real: ImageSet,
        counts: Sequence[int],
        *,
        key: Key,
        features: Tensor | None = None,  # noqa: ARG002 - it looks at no space
    ) -> ImageSet:
        """Return the set, whose images are the smaller ones, enlarged: see ``data.tiles``."""
        unfold = self.unfold
        unfold.require_fit(real.domain.shape[1:])
        require_held(real, counts)
        wanted = [count * unfold.parts for count in counts]
        drawn_rows = zip(draw_rows(real, wanted, key=key), wanted, strict=True)
        rows = [some.repeat(-(-n // max(1, len(some))))[:n] for some, n in drawn_rows]
        drawn = real.take(moved(torch.cat(rows), real.images.device))
        stored = real.domain.in_bytes(unfold.fold(drawn.images))
        images = unfolded(stored, unfold, real.domain.mean, real.domain.std)
        return replace(drawn, images=images, digests=None)


CORESETS.register("random-tiles")(RandomTiles())
