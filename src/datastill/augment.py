"""Image transforms without randomness, and policies that draw them.

Differentiable Siamese Augmentation (Zhao and Bilen, ICML 2021) is made of these: a policy draws
one transform, and real and synthetic images share it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, reduce
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.data import ByClass, Domain
from datastill.errors import InputError, suggestion
from datastill.rng import Key

Transform = Callable[[Tensor], Tensor]


class Policy(Protocol):
    """Draws a transform for ``n`` images, or with ``n=1`` one that any number can share."""

    def __call__(self, n: int, *, key: Key) -> Transform: ...


# Transforms: (N, C, H, W) images, parameters of length n, which is 1 or N.


def brightness(images: Tensor, shift: Tensor) -> Tensor:
    """Add one ``(n,)`` shift to every pixel of an image.

    >>> brightness(torch.zeros(2, 1, 1, 1), torch.tensor([1.0, 2.0])).flatten().tolist()
    [1.0, 2.0]
    """
    return images + _each(shift, images)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Scale the distance of every channel from the pixel's mean channel by ``(n,)`` factors.

    A grey image has one channel, which is its own mean: nothing changes.
    """
    grey = images.mean(1, keepdim=True)
    return (images - grey) * _each(factor, images) + grey


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Scale the distance of every pixel from the image's mean by ``(n,)`` factors."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * _each(factor, images) + mean


def flip(images: Tensor, chosen: Tensor) -> Tensor:
    """Mirror left to right the images that ``(n,)`` booleans choose."""
    return torch.where(_each(chosen, images, torch.bool), images.flip(-1), images)


def translate(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Shift the window over the images by ``(n,)`` whole pixels, filling with zeros.

    >>> row = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    >>> translate(row, torch.tensor([0]), torch.tensor([1])).flatten().tolist()
    [2.0, 3.0, 0.0]
    """
    height, width = images.shape[-2:]
    y, inside_y = _window(down, height, images)
    x, inside_x = _window(right, width, images)
    image = torch.arange(len(images), device=images.device)[:, None, None]
    moved = images.movedim(1, -1)[image, y[:, :, None], x[:, None, :]].movedim(-1, 1)
    return moved * (inside_y[:, :, None] & inside_x[:, None, :])[:, None]


def cutout(images: Tensor, row: Tensor, column: Tensor, *, size: tuple[int, int]) -> Tensor:
    """Set to zero a ``size`` rectangle around the ``(n,)`` pixels at ``row`` and ``column``."""
    sides = zip((row, column), size, images.shape[-2:], strict=True)
    y, x = (_covered(centre, side, full, images) for centre, side, full in sides)
    return images * ~(y[:, :, None] & x[:, None, :])[:, None]


def affine(images: Tensor, matrix: Tensor) -> Tensor:
    """Warp by ``(n, 2, 3)`` matrices from output to input, both in ``[-1, 1]`` coordinates."""
    theta = matrix.to(images).expand(len(images), 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def rotation(degrees: Tensor, *, aspect: float = 1.0) -> Tensor:
    """Return the ``(n, 2, 3)`` matrices that rotate by ``(n,)`` angles.

    Args:
        degrees: the angles.
        aspect: height over width; without it, rotating an oblong image would shear it.
    """
    a = degrees * (math.pi / 180)
    zero = torch.zeros_like(a)
    rows = [[a.cos(), -a.sin() * aspect, zero], [a.sin() / aspect, a.cos(), zero]]
    return torch.stack([torch.stack(row, -1) for row in rows], 1)


# Policies. The parameters are those of the DSA paper's code, for normalised images.


def identity(n: int, *, key: Key) -> Transform:
    """Change nothing."""
    return lambda images: images


def draw_color(n: int, *, key: Key) -> Transform:
    """Shift by up to 0.5, then scale saturation by 0 to 2 and contrast by 0.5 to 1.5."""
    steps = (
        partial(brightness, shift=_uniform(n, -0.5, 0.5, key=key.at("brightness"))),
        partial(saturation, factor=_uniform(n, 0, 2, key=key.at("saturation"))),
        partial(contrast, factor=_uniform(n, 0.5, 1.5, key=key.at("contrast"))),
    )
    return lambda images: reduce(lambda x, step: step(x), steps, images)


def draw_crop(n: int, *, key: Key) -> Transform:
    """Shift by whole pixels, up to an eighth of each side either way."""

    def crop(images: Tensor) -> Tensor:
        most = [int(side / 8 + 0.5) for side in images.shape[-2:]]
        down, right = (_integers(n, -m, m, key=key.at(i)) for i, m in enumerate(most))
        return translate(images, down, right)

    return crop


def draw_cutout(n: int, *, key: Key) -> Transform:
    """Blank a rectangle of half the height and width, which may reach over the edge."""

    def cut(images: Tensor) -> Tensor:
        sides = images.shape[-2:]
        height, width = (int(side / 2 + 0.5) for side in sides)
        row, column = (
            _integers(n, 0, side - size % 2, key=key.at(i))
            for i, (side, size) in enumerate(zip(sides, (height, width), strict=True))
        )
        return cutout(images, row, column, size=(height, width))

    return cut


def draw_flip(n: int, *, key: Key) -> Transform:
    """Mirror half of the images."""
    return partial(flip, chosen=_uniform(n, 0, 1, key=key) < 0.5)


def draw_scale(n: int, *, key: Key) -> Transform:
    """Stretch height and width apart, each by 1 / 1.2 to 1.2."""
    x, y = (_uniform(n, 1 / 1.2, 1.2, key=key.at(axis)) for axis in "xy")
    zero = torch.zeros_like(x)
    rows = [torch.stack(row, -1) for row in ([x, zero, zero], [zero, y, zero])]
    return partial(affine, matrix=torch.stack(rows, 1))


def draw_rotation(n: int, *, key: Key) -> Transform:
    """Rotate by up to 15 degrees either way."""
    degrees = _uniform(n, -15, 15, key=key)

    def rotate(images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        return affine(images, rotation(degrees, aspect=height / width))

    return rotate


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
    return "_".join(step for step in DSA_STEPS if step != "flip" or domain.mirror)


def siamese(
    policy: Policy, real: ByClass, synthetic: ByClass, *, key: Key
) -> tuple[ByClass, ByClass]:
    """Give the real and the synthetic images of each class the same draw, every class its own."""
    if policy is identity:
        return real, synthetic
    present = [
        k for k, pair in enumerate(zip(real.counts, synthetic.counts, strict=True)) if any(pair)
    ]
    draws = {k: policy(1, key=key.at(k)) for k in present}

    def apply(images: ByClass) -> ByClass:
        parts = images.split()
        moved = [draw(parts[k]) if len(parts[k]) else parts[k] for k, draw in draws.items()]
        return ByClass(torch.cat(moved), images.counts)

    return apply(real), apply(synthetic)


def _each(values: Tensor, images: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    return values.to(images.device, dtype or images.dtype, non_blocking=True)[:, None, None, None]


def _window(shift: Tensor, side: int, images: Tensor) -> tuple[Tensor, Tensor]:
    # (N, side): where each output pixel comes from, and whether that is inside the image.
    shift = shift.to(images.device, non_blocking=True)[:, None]
    source = (torch.arange(side, device=images.device) + shift).expand(len(images), side)
    return source.clamp(0, side - 1), (source >= 0) & (source < side)


def _covered(centre: Tensor, size: int, side: int, images: Tensor) -> Tensor:
    first = centre.to(images.device, non_blocking=True)[:, None] - size // 2
    position = torch.arange(side, device=images.device)
    return (position >= first) & (position < first + size)


def _uniform(n: int, low: float, high: float, *, key: Key) -> Tensor:
    return torch.rand(n, generator=key.generator()) * (high - low) + low


def _integers(n: int, low: int, high: int, *, key: Key) -> Tensor:
    return torch.randint(low, high + 1, (n,), generator=key.generator())
