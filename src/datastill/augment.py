"""Image transforms without randomness, and policies that draw them.

Differentiable Siamese Augmentation (Zhao and Bilen, ICML 2021) is made of these: a policy draws
one transform, and real and synthetic images share it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.data import ByClass, Domain
from datastill.errors import InputError, suggestion
from datastill.rng import Key, moved

Transform = Callable[[Tensor], Tensor]


class Policy(Protocol):
    """Draws a transform for ``n`` images, or with ``n=1`` one that any number can share."""

    def __call__(self, n: int, *, key: Key) -> Transform: ...


Values = tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A transform as policies draw it: a change, and by how much.

    Attributes:
        change: maps images and values of length ``n`` to images; draws of one kind have the same.
        values: by height and width of the images, for a shift is drawn in whole pixels.
    """

    change: Callable[..., Tensor]
    values: Callable[[Sequence[int]], Values]

    def __call__(self, images: Tensor) -> Tensor:
        """Change ``(N, C, H, W)`` images, where ``n`` is 1 or N."""
        return self.change(images, *self.values(images.shape[-2:]))


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


def color(images: Tensor, shift: Tensor, saturated: Tensor, contrasted: Tensor) -> Tensor:
    """Change brightness, then saturation, then contrast, by ``(n,)`` values each."""
    return contrast(saturation(brightness(images, shift), saturated), contrasted)


def affine(images: Tensor, matrix: Tensor) -> Tensor:
    """Warp by ``(n, 2, 3)`` matrices from output to input, both in ``[-1, 1]`` coordinates."""
    theta = moved(matrix.to(images.dtype), images.device).expand(len(images), 2, 3)
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
    values = (
        _uniform(n, -0.5, 0.5, key=key.at("brightness")),
        _uniform(n, 0, 2, key=key.at("saturation")),
        _uniform(n, 0.5, 1.5, key=key.at("contrast")),
    )
    return Drawn(color, lambda _: values)


def draw_crop(n: int, *, key: Key) -> Transform:
    """Shift by whole pixels, up to an eighth of each side either way."""

    def shifts(sides: Sequence[int]) -> Values:
        most = [int(side / 8 + 0.5) for side in sides]
        return tuple(_integers(n, -m, m, key=key.at(i)) for i, m in enumerate(most))

    return Drawn(translate, shifts)


def draw_cutout(n: int, *, key: Key) -> Transform:
    """Blank a rectangle of half the height and width, which may reach over the edge."""

    def centre(sides: Sequence[int]) -> Values:
        return tuple(
            _integers(n, 0, side - size % 2, key=key.at(i))
            for i, (side, size) in enumerate(zip(sides, _half(sides), strict=True))
        )

    return Drawn(_half_cut, centre)


def draw_flip(n: int, *, key: Key) -> Transform:
    """Mirror half of the images."""
    chosen = _uniform(n, 0, 1, key=key) < 0.5
    return Drawn(flip, lambda _: (chosen,))


def draw_scale(n: int, *, key: Key) -> Transform:
    """Stretch height and width apart, each by 1 / 1.2 to 1.2."""
    x, y = (_uniform(n, 1 / 1.2, 1.2, key=key.at(axis)) for axis in "xy")
    zero = torch.zeros_like(x)
    rows = [torch.stack(row, -1) for row in ([x, zero, zero], [zero, y, zero])]
    matrix = torch.stack(rows, 1)
    return Drawn(affine, lambda _: (matrix,))


def draw_rotation(n: int, *, key: Key) -> Transform:
    """Rotate by up to 15 degrees either way."""
    degrees = _uniform(n, -15, 15, key=key)
    return Drawn(affine, lambda sides: (rotation(degrees, aspect=sides[0] / sides[1]),))


DSA_STEPS: dict[str, Policy] = {
    "color": draw_color,
    "crop": draw_crop,
    "cutout": draw_cutout,
    "flip": draw_flip,
    "scale": draw_scale,
    "rotate": draw_rotation,
}


@dataclass(frozen=True, eq=False)
class Mix:
    """How each of some images gets a rectangle of another.

    Attributes:
        order: ``(n,)``, whose rectangle each gets.
        side: ``(1,)``, of the rectangle, as a share of height and of width.
        centre: ``(2,)``, of the rectangle, likewise.
    """

    order: Tensor
    side: Tensor
    centre: Tensor

    def window(self, sides: Sequence[int]) -> Tensor:
        """Return ``(H, W)`` booleans: what is replaced."""
        rows, columns = (
            (torch.arange(full) >= (full * (at - self.side / 2)).floor())
            & (torch.arange(full) < (full * (at + self.side / 2)).floor())
            for at, full in zip(self.centre, sides, strict=True)
        )
        return rows[:, None] & columns


def draw_cutmix(n: int, *, key: Key) -> Mix:
    """Draw how to put a rectangle of another image into each of ``n``, see ``mixed``.

    The rectangle has a share of the area that is uniform between 0 and 1 and may reach over the
    edge.
    """
    order = torch.randperm(n, generator=key.at("order").generator())
    side = _uniform(1, 0, 1, key=key.at("area")).sqrt()
    return Mix(order, side, _uniform(2, 0, 1, key=key.at("centre")))


def mixed(images: Tensor, shares: Tensor, mixes: Sequence[Mix]) -> tuple[Tensor, Tensor]:
    """Put rectangles into images, and mix their labels by the area that is replaced.

    Args:
        images: ``(N, C, H, W)``, as many for one mix after another as each was drawn for.
        shares: ``(N, K)``, of the classes.
        mixes: see ``draw_cutmix``.

    Returns:
        Images and shares of the same shapes.

    Reference:
        Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers, ICCV 2019.
    """
    counts = torch.tensor([len(mix.order) for mix in mixes])
    starts = counts.cumsum(0) - counts
    order = torch.cat([mix.order + first for mix, first in zip(mixes, starts, strict=True)])
    windows = torch.stack([mix.window(images.shape[-2:]) for mix in mixes])
    drawn = (order, windows, torch.arange(len(mixes)).repeat_interleave(counts))
    others, pasted, whose = (moved(values, images.device) for values in drawn)
    replaced = pasted.float().mean((1, 2))[whose, None]
    return (
        torch.where(pasted[whose, None], images[others], images),
        shares + (shares[others] - shares) * replaced,
    )


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
    draws = [policy(1, key=key.at(k)) for k in present]

    def apply(images: ByClass) -> ByClass:
        counts = [images.counts[k] for k in present]
        return ByClass(apply_each(draws, images.images, counts), images.counts)

    return apply(real), apply(synthetic)


def apply_each(transforms: Sequence[Transform], images: Tensor, counts: Sequence[int]) -> Tensor:
    """Apply to each share of images a transform of its own.

    On a CPU one share after another, which stays in its caches; elsewhere kind by kind, which
    takes a few kernels for all shares in place of a few for each. The result is the same.

    Args:
        transforms: one for each share.
        images: ``(N, C, H, W)``, one share after another.
        counts: images of each share; ``N = sum(counts)``.
    """
    if images.device.type != "cpu" and len(images):
        return kind_by_kind(transforms, images, counts)
    shares = zip(transforms, images.split(list(counts)), strict=True)
    return torch.cat([transform(share) if len(share) else share for transform, share in shares])


def kind_by_kind(transforms: Sequence[Transform], images: Tensor, counts: Sequence[int]) -> Tensor:
    """Do what ``apply_each`` does, for all transforms of one kind in one go."""
    kinds: dict[Hashable, list[int]] = {}
    for k, transform in enumerate(transforms):
        if counts[k]:
            alike = transform.change if isinstance(transform, Drawn) else k
            kinds.setdefault(alike, []).append(k)
    rows = torch.arange(len(images)).split(list(counts))
    order = torch.cat([rows[k] for group in kinds.values() for k in group])
    sizes = [sum(counts[k] for k in group) for group in kinds.values()]
    by_kind = images.index_select(0, moved(order, images.device)).split(sizes)
    changed = [
        _join([transforms[k] for k in group], [counts[k] for k in group], part.shape[-2:])(part)
        for group, part in zip(kinds.values(), by_kind, strict=True)
    ]
    return torch.cat(changed).index_select(0, moved(order.argsort(), images.device))


def _join(
    transforms: Sequence[Transform], counts: Sequence[int], sides: Sequence[int]
) -> Transform:
    # Draws of one kind as one draw, with a value for each image.
    draws = [transform for transform in transforms if isinstance(transform, Drawn)]
    if not draws:
        return transforms[0]
    each = [
        tuple(value.expand(count, *value.shape[1:]) for value in draw.values(sides))
        for draw, count in zip(draws, counts, strict=True)
    ]
    joined = tuple(torch.cat(values) for values in zip(*each, strict=True))
    return Drawn(draws[0].change, lambda _: joined)


def _half(sides: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(side / 2 + 0.5) for side in sides)


def _half_cut(images: Tensor, row: Tensor, column: Tensor) -> Tensor:
    height, width = _half(images.shape[-2:])
    return cutout(images, row, column, size=(height, width))


def _each(values: Tensor, images: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    return moved(values.to(dtype or images.dtype), images.device)[:, None, None, None]


def _window(shift: Tensor, side: int, images: Tensor) -> tuple[Tensor, Tensor]:
    # (N, side): where each output pixel comes from, and whether that is inside the image.
    shift = moved(shift, images.device)[:, None]
    source = (torch.arange(side, device=images.device) + shift).expand(len(images), side)
    return source.clamp(0, side - 1), (source >= 0) & (source < side)


def _covered(centre: Tensor, size: int, side: int, images: Tensor) -> Tensor:
    first = moved(centre, images.device)[:, None] - size // 2
    position = torch.arange(side, device=images.device)
    return (position >= first) & (position < first + size)


def _uniform(n: int, low: float, high: float, *, key: Key) -> Tensor:
    return torch.rand(n, generator=key.generator()) * (high - low) + low


def _integers(n: int, low: int, high: int, *, key: Key) -> Tensor:
    return torch.randint(low, high + 1, (n,), generator=key.generator())
