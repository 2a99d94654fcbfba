"""The augmentation of gradient matching's validation: one step for each image, picked for it alone.

What moves into an image, or is left empty by a turn, has the mean of the batch.

Reference:
    Zhao, Mopuri and Bilen, Dataset Condensation with Gradient Matching, ICLR 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from datastill.augment.policies import Policy, integers, uniform
from datastill.augment.transforms import Transform, affine, rotation, shrink, translate
from datastill.base.errors import InputError, suggestion
from datastill.base.rng import Key, moved

Step = Callable[[Tensor, Tensor, Key], Tensor]
"""Changes ``(n, C, H, W)`` images, given the ``(C,)`` mean of the batch, by what a key draws."""

PIXELS, SHARE, DEGREES, DEVIATION = 4, 0.2, 45, 0.001


def _crop(images: Tensor, mean: Tensor, key: Key) -> Tensor:
    # The window lies in a frame of 4 pixels; its last place is never drawn, as published.
    n, fill = len(images), mean[:, None, None]
    down, right = (integers(n, -PIXELS, PIXELS - 1, key=key.at(axis)) for axis in "yx")
    return translate(images - fill, down, right) + fill


def _scale(images: Tensor, mean: Tensor, key: Key) -> Tensor:
    del mean  # zeros around an image that shrinks, as published
    height, width = (
        (uniform(len(images), 1 - SHARE, 1 + SHARE, key=key.at(axis)) * side).int()
        for axis, side in zip("yx", images.shape[-2:], strict=True)
    )
    return shrink(images, height, width)


def _rotate(images: Tensor, mean: Tensor, key: Key) -> Tensor:
    degrees = integers(len(images), -DEGREES, DEGREES - 1, key=key).float()
    aspect, fill = images.shape[-2] / images.shape[-1], mean.mean()
    turned = affine(images - fill, rotation(degrees, aspect=aspect), mode="bicubic")
    return turned + fill


def _noise(images: Tensor, mean: Tensor, key: Key) -> Tensor:
    del mean
    drawn = torch.randn(images.shape, generator=key.generator())
    return images + DEVIATION * moved(drawn.to(images.dtype), images.device)


STEPS: dict[str, Step] = {"crop": _crop, "scale": _scale, "rotate": _rotate, "noise": _noise}


@dataclass(frozen=True)
class ByImage:
    """Draws a step for each image, and by how much.

    Attributes:
        steps: to pick from.
    """

    steps: tuple[str, ...]

    def __call__(self, n: int, *, key: Key) -> Transform:
        """Return a transform for ``n`` images; with ``n=1``, of one image at a time."""
        choice = integers(n, 0, len(self.steps) - 1, key=key.at("choice"))

        def change(images: Tensor) -> Tensor:
            # All steps of all images, so that nobody has to ask how many chose which.
            mean, found = images.mean((0, 2, 3)), images
            for i, step in enumerate(self.steps):
                chosen = moved(choice == i, images.device)[:, None, None, None]
                changed = STEPS[step](images, mean, key.at(step))
                found = torch.where(chosen, changed, found)
            return found

        return change


def by_image(strategy: str) -> Policy:
    """Return the policy that a strategy such as ``"crop_scale_rotate"`` names.

    ``crop`` shifts by up to 4 pixels, ``scale`` stretches height and width apart by 0.8 to 1.2
    (nearest pixels), ``rotate`` turns by up to 45 degrees (bicubic, where the original code has
    cubic splines), ``noise`` adds a normal deviate of 0.001.

    Raises:
        InputError: for a step that does not exist.
    """
    steps = tuple(strategy.casefold().split("_"))
    for step in steps:
        if step not in STEPS:
            raise InputError(
                f"no augmentation named {step!r} in {strategy!r}; {suggestion(step, STEPS)}"
            )
    return ByImage(steps)
