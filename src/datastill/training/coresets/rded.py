"""RDED: the crops of real images that an original model is surest of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.base.rng import Key, moved
from datastill.data import ByClass, ImageSet, draw_rows, require_held
from datastill.training.coresets.base import CORESETS, Need, cross_entropies
from datastill.training.pool import Member, Pool

LEAST_AREA = 0.08
"""Of a crop, as a share of the image's: the usual one of random resized crops."""


@dataclass(frozen=True)
class Rded:
    """Cut crops out of real images, and keep those of the lowest cross-entropy.

    Of every class some images are drawn, of each some square crops, which are enlarged to its size.
    An original model says of which crop it is the surest; of the best crops of all images those are
    kept that it is the surest of. Where several are to be in one image, as many more are asked for,
    and judged likewise; published crops are of the smaller size then, and are judged with zeros
    around them. What is kept is rounded to bytes, as real images are.

    Attributes:
        images: drawn of each class, or all that are wanted where these are more.
        crops: of each.

    Reference:
        Sun, Shi, Yu and Lin, On the Diversity and Realism of Distilled Dataset: An Efficient
        Dataset Distillation Paradigm, CVPR 2024.
    """

    images: int = 300
    crops: int = 5
    needs: ClassVar[frozenset[Need]] = frozenset({"originals"})

    def __call__(
        self,
        real: ImageSet,
        counts: Sequence[int],
        *,
        key: Key,
        features: Tensor | None = None,  # noqa: ARG002 - it looks at no space
        originals: Pool = (),
    ) -> ImageSet:
        """Return the crops, as a set of images of the whole size; the surest of a class first."""
        require_held(real, counts)
        drawn = [max(self.images, count) if count else 0 for count in counts]
        rows = draw_rows(real, drawn, key=key.at("images"))
        found = [
            self._surest(real.take(moved(some, real.images.device)), n, originals[0], key.at(k))
            for k, (some, n) in enumerate(zip(rows, counts, strict=True))
        ]
        kept = ByClass(torch.cat(found), tuple(counts))
        images = real.domain.in_bytes(kept.images)
        return replace(real, images=images, labels=kept.labels, digests=None)

    def _surest(self, some: ImageSet, count: int, judge: Member, key: Key) -> Tensor:
        # The crops that are kept of one class.
        if not count:
            return some.images[:0]
        made = cropped(some.images, draw_boxes(len(some), self.crops, key=key))
        labels = some.labels.repeat_interleave(self.crops)
        losses = cross_entropies(judge, replace(some, images=made, labels=labels, digests=None))
        least, best = losses.reshape(-1, self.crops).min(1)
        order = least.argsort(stable=True)[:count]
        return made[order * self.crops + best[order]]


def draw_boxes(images: int, crops: int, *, key: Key) -> Tensor:
    """Draw ``crops`` boxes for each image.

    Returns:
        ``(images * crops, 3)``: the side of each, as a share of the image's, and the shares of what
        is left beside it that lie above and to the left.
    """
    drawn = torch.rand(images * crops, 3, generator=key.generator())
    drawn[:, 0] = (LEAST_AREA + (1 - LEAST_AREA) * drawn[:, 0]).sqrt()
    return drawn


def cropped(images: Tensor, boxes: Tensor) -> Tensor:
    """Cut boxes out of images and enlarge them to the whole size, bilinearly.

    Args:
        images: ``(N, C, H, W)``.
        boxes: see ``draw_boxes``: those of the first image, then those of the second.

    Returns:
        ``(len(boxes), C, H, W)``.
    """
    side, above, left = moved(boxes, images.device).unbind(1)
    free = 1 - side
    # A box has its centre at twice the middle of the free room, as coordinates go from -1 to 1.
    rows = [
        torch.stack([side, torch.zeros_like(side), free * (2 * left - 1)], 1),
        torch.stack([torch.zeros_like(side), side, free * (2 * above - 1)], 1),
    ]
    many = images.repeat_interleave(len(boxes) // len(images), 0)
    grid = F.affine_grid(torch.stack(rows, 1), list(many.shape), align_corners=False)
    return F.grid_sample(many, grid, padding_mode="border", align_corners=False)


CORESETS.register("rded")(Rded())
