"""CIM: tiles whose features are those of the real images that they began as.

Condensing Large-Scale Datasets Directly with Minimal Information Loss, ECCV 2026.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from datastill.augment import siamese
from datastill.base.errors import InputError, is_whole, told, whole
from datastill.base.rng import Key
from datastill.data import ByClass
from datastill.distillation.descent import Descent
from datastill.distillation.methods.base import (
    METHODS,
    AdamW,
    Published,
    Resting,
    Synthetic,
    Task,
)
from datastill.distillation.parametrisations import Tiles
from datastill.distillation.residual import BASE, Residual
from datastill.networks import features_after, stage_of
from datastill.training.seeing import Seen

AT_ONCE = 128
"""Pairs of 28x28 pixels that pass the network at once: they stay in the caches of a CPU."""


@dataclass(frozen=True)
class PairedFeatures:
    r"""Bring what an original model sees in each tile near to what it sees in its anchor.

    The anchor of a tile is the real image that it began as, whole, for the whole run. With
    :math:`f` the features after a stage of the model, and one augmentation :math:`a` for a class,
    the scalar is :math:`\sum_i \frac{1}{D} \| f(a(s_i)) - f(a(x_i)) \|_1`.

    Attributes:
        stage: of the network, from 1, or from the last, -1, on; 0 for its own middle, see
            ``networks.stage_of``.
    """

    stage: int = 0
    draws: ClassVar[bool] = False  # real images, at an update: see ``Task.batch``

    def __post_init__(self) -> None:
        if not is_whole(self.stage):
            raise InputError(f"`stage` must be a whole number, found {told(self.stage)}")

    def require(self, task: Task, descent: Descent) -> None:
        """Refuse what leaves nothing to be learned.

        Raises:
            InputError: without an original model that has the stage, without tiles, and for a start
                without anchors.
        """
        if not task.originals:
            raise InputError("CIM asks an original model, and `originals` has none")
        stage_of(task.originals[0].network, self.stage)
        if descent.parametrisation.parts < 2:
            raise InputError(
                "CIM brings tiles near to whole images, and one that fills its image is there "
                "already; take `tiles=2`"
            )
        if not descent.keeps_parts:
            raise InputError(
                f"CIM pairs every tile with the real image that it began as, and "
                f"`init={descent.init!r}` has none; take `init='clearest'` or `init='real'`"
            )

    def loss(
        self, task: Task, step: int, memory: None, synthetic: Synthetic, *, key: Key
    ) -> tuple[Tensor, None]:
        """Return how far the features of all pairs are apart, and remember nothing."""
        start = _of_classes(task.start, synthetic.counts)
        anchors, tiles = siamese(task.policy, start, synthetic.by_class, key=key.at("augment"))
        original, domain = task.originals[0], task.real.domain
        see = partial(features_after, stage=self.stage)
        seen = Seen(see, original, domain, task.route.exact)
        pairs = torch.cat([anchors.images.detach(), tiles.images], 1)
        apart = partial(_apart, seen)
        return task.route.in_turns(apart, pairs, original.network).sum(), None


def _of_classes(start: ByClass | None, counts: Sequence[int]) -> ByClass:
    # What a set started from; of its classes alone, where it is a part of the set.
    assert start is not None
    parts = zip(start.split(), counts, strict=True)
    return ByClass(torch.cat([part if count else part[:0] for part, count in parts]), tuple(counts))


def _apart(seen: Seen, pairs: Tensor) -> Tensor:
    # The mean absolute difference of features of each pair, the anchor first among channels.
    found: list[Tensor] = []
    for some in pairs.split(max(1, AT_ONCE * 28 * 28 // pairs.shape[2:].numel())):
        anchors, tiles = some.chunk(2, 1)
        with torch.no_grad():
            wanted = seen(anchors.contiguous())
        found.append((seen(tiles.contiguous()) - wanted).abs().mean(1))
    return torch.cat(found)


@METHODS.register("CIM")
def published(ipc: int) -> Published:
    """Return the published settings: they are the same for every number of images per class."""
    whole(ipc=ipc)
    return Published(
        PairedFeatures(),
        updates=200,
        optimisers={"images": AdamW(0.01), BASE: Resting()},
        init="clearest",
        augmented=True,
        protocol="dsa",
        parametrisation=Residual(Tiles(2)),
        needs=frozenset({"originals"}),
        strategy="crop_cutout_flip",
    )
