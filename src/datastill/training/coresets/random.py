"""Random real images: what every synthetic set has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from datastill.base.rng import Key
from datastill.data import ImageSet, draw_rows, require_held
from datastill.training.coresets.base import CORESETS


@CORESETS.register("random")
def random(
    real: ImageSet, counts: Sequence[int], *, key: Key, features: Tensor | None = None
) -> Tensor:
    """Draw images of each class without replacement; the space does not matter."""
    require_held(real, counts)
    return torch.cat(draw_rows(real, counts, key=key))
