"""What is learned is what images gain over those that they began as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from datastill.base.rng import Key, moved
from datastill.data import ByClass, Domain
from datastill.distillation.parameters import Params
from datastill.distillation.parametrisations import (
    Parametrisation,
    Pixels,
    Synthetic,
    require_parametrisation,
)

BASE = "base"
"""The parameter that rests: the images as they began."""


@dataclass(frozen=True)
class Residual:
    """What is added to images is learned: ``"images"``, in pixels from 0 to 1, from zero on.

    ``"base"``, which is not moved, holds the images as they began. So the learning rate of an
    optimiser is one of pixels, whatever the normalisation, and weight decay leads back to the
    start. After every step the sum is cut to pixels from 0 to 1.

    Attributes:
        images: how networks are shown the sum.
    """

    images: Parametrisation = field(default_factory=Pixels)

    def __post_init__(self) -> None:
        require_parametrisation(self.images)

    @property
    def parts(self) -> int:
        """How many images one holds."""
        return self.images.parts

    def start(self, images: ByClass, counts: Sequence[int], *, key: Key) -> dict[str, Tensor]:
        """Return the start, and zeros."""
        begun = self.images.start(images, counts, key=key)
        return {**begun, "images": torch.zeros_like(begun["images"]), BASE: begun["images"]}

    def decode(self, params: Params, counts: Sequence[int], domain: Domain) -> Synthetic:
        """Return what the sum is decoded to."""
        _, std = _normalisation(params["images"], domain)
        whole = params[BASE] + params["images"] / std
        return self.images.decode({**params, "images": whole}, counts, domain)

    def project(self, params: Params, domain: Domain) -> None:
        """Cut the sum to pixels from 0 to 1."""
        mean, std = _normalisation(params["images"], domain)
        base = params[BASE] * std + mean
        params["images"].copy_((base + params["images"]).clamp_(0, 1).sub_(base))


def _normalisation(images: Tensor, domain: Domain) -> tuple[Tensor, Tensor]:
    rows = torch.tensor((domain.mean, domain.std), dtype=images.dtype)[:, :, None, None]
    mean, std = moved(rows, images.device)
    return mean, std
