"""Policies draw transforms: those of Differentiable Siamese Augmentation, one step for a batch.

A policy draws one transform, and real and synthetic images share it.

Reference:
    Zhao and Bilen, Dataset Condensation with Differentiable Siamese Augmentation, ICML 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from datastill.augment.shares import apply_each
from datastill.augment.transforms import (
    Drawn,
    Transform,
    Values,
    affine,
    color,
    cutout,
    flip,
    rotation,
    translate,
)
from datastill.base.errors import InputError, of_kind, suggestion
from datastill.base.rng import Key
from datastill.data import ByClass, Domain


class Policy(Protocol):
    """Draws a transform for ``n`` images, or with ``n=1`` one that any number can share."""

    def __call__(self, n: int, *, key: Key) -> Transform: ...


def identity(n: int, *, key: Key) -> Transform:
    """Change nothing."""
    return lambda images: images


# The parameters are those of the paper's code, for normalised images.


def draw_color(n: int, *, key: Key) -> Transform:
    """Shift by up to 0.5, then scale saturation by 0 to 2 and contrast by 0.5 to 1.5."""
    values = (
        uniform(n, -0.5, 0.5, key=key.at("brightness")),
        uniform(n, 0, 2, key=key.at("saturation")),
        uniform(n, 0.5, 1.5, key=key.at("contrast")),
    )
    return Drawn(color, lambda _: values)


def draw_crop(n: int, *, key: Key) -> Transform:
    """Shift by whole pixels, up to an eighth of each side either way."""

    def shifts(sides: Sequence[int]) -> Values:
        most = [int(side / 8 + 0.5) for side in sides]
        return tuple(integers(n, -m, m, key=key.at(i)) for i, m in enumerate(most))

    return Drawn(translate, shifts)


def draw_cutout(n: int, *, key: Key) -> Transform:
    """Blank a rectangle of half the height and width, which may reach over the edge."""

    def centre(sides: Sequence[int]) -> Values:
        return tuple(
            integers(n, 0, side - size % 2, key=key.at(i))
            for i, (side, size) in enumerate(zip(sides, _half(sides), strict=True))
        )

    return Drawn(_half_cut, centre)


def draw_flip(n: int, *, key: Key) -> Transform:
    """Mirror half of the images."""
    chosen = uniform(n, 0, 1, key=key) < 0.5
    return Drawn(flip, lambda _: (chosen,))


def draw_scale(n: int, *, key: Key) -> Transform:
    """Stretch height and width apart, each by 1 / 1.2 to 1.2."""
    x, y = (uniform(n, 1 / 1.2, 1.2, key=key.at(axis)) for axis in "xy")
    zero = torch.zeros_like(x)
    rows = [torch.stack(row, -1) for row in ([x, zero, zero], [zero, y, zero])]
    matrix = torch.stack(rows, 1)
    return Drawn(affine, lambda _: (matrix,))


def draw_rotation(n: int, *, key: Key) -> Transform:
    """Rotate by up to 15 degrees either way."""
    degrees = uniform(n, -15, 15, key=key)
    return Drawn(affine, lambda sides: (rotation(degrees, aspect=sides[0] / sides[1]),))


DSA_STEPS: dict[str, Policy] = {
    "color": draw_color,
    "crop": draw_crop,
    "cutout": draw_cutout,
    "flip": draw_flip,
    "scale": draw_scale,
    "rotate": draw_rotation,
}


def one_of(*policies: Policy) -> Policy:
    """Combine policies into one that picks a single member per draw."""

    def policy(n: int, *, key: Key) -> Transform:
        choice = key.at("choice").integer(len(policies))
        return policies[choice](n, key=key.at("values"))

    return policy


def dsa(strategy: str) -> Policy:
    """Return the policy that a strategy such as ``"color_crop_flip"`` names.

    Each draw applies one of the steps, picked at random. ``"none"`` changes nothing.

    Raises:
        InputError: for a step that does not exist.

    Reference:
        Zhao and Bilen, Dataset Condensation with Differentiable Siamese Augmentation, ICML 2021.
    """
    of_kind(str, "names of steps, such as 'color_crop_flip'", strategy=strategy)
    if strategy.casefold() in ("", "none"):
        return identity
    steps = strategy.casefold().split("_")
    for step in steps:
        if step not in DSA_STEPS:
            hint = suggestion(step, DSA_STEPS)
            raise InputError(f"no augmentation named {step!r} in {strategy!r}; {hint}")
    return one_of(*(DSA_STEPS[step] for step in steps))


def usual_strategy(domain: Domain) -> str:
    """Return the published strategy: every step, but no flip where a mirror changes the class."""
    of_kind(Domain, "the domain of a set (`data.domain`)", domain=domain)
    return without_mirrors("_".join(DSA_STEPS), domain)


def without_mirrors(strategy: str, domain: Domain) -> str:
    """Return a strategy without its flip, where a mirror changes the class."""
    return "_".join(step for step in strategy.split("_") if step != "flip" or domain.mirror)


def siamese(
    policy: Policy, real: ByClass, synthetic: ByClass, *, key: Key
) -> tuple[ByClass, ByClass]:
    """Give the real and the synthetic images of each class the same draw, every class its own."""
    if policy is identity:
        return real, synthetic
    present = [
        k for k, pair in enumerate(zip(real.counts, synthetic.counts, strict=True)) if any(pair)
    ]
    draws = [policy(1, key=key.at(k)) for k in present]

    def apply(images: ByClass) -> ByClass:
        counts = [images.counts[k] for k in present]
        return ByClass(apply_each(draws, images.images, counts), images.counts)

    return apply(real), apply(synthetic)


def _half(sides: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(side / 2 + 0.5) for side in sides)


def _half_cut(images: Tensor, row: Tensor, column: Tensor) -> Tensor:
    height, width = _half(images.shape[-2:])
    return cutout(images, row, column, size=(height, width))


def uniform(n: int, low: float, high: float, *, key: Key) -> Tensor:
    """Draw ``(n,)`` numbers from ``low`` to ``high``."""
    return torch.rand(n, generator=key.generator()) * (high - low) + low


def integers(n: int, low: int, high: int, *, key: Key) -> Tensor:
    """Draw ``(n,)`` integers from ``low`` to ``high``, that included."""
    return torch.randint(low, high + 1, (n,), generator=key.generator())
