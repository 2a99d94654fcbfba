"""Image transforms without randomness: images in, images out, by values of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.base.rng import moved

Transform = Callable[[Tensor], Tensor]
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


# (N, C, H, W) images, parameters of length n, which is 1 or N.


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
    return _gathered(images, _window(down, height, images), _window(right, width, images))


def cutout(images: Tensor, row: Tensor, column: Tensor, *, size: tuple[int, int]) -> Tensor:
    """Set to zero a ``size`` rectangle around the ``(n,)`` pixels at ``row`` and ``column``."""
    sides = zip((row, column), size, images.shape[-2:], strict=True)
    y, x = (_covered(centre, side, full, images) for centre, side, full in sides)
    return images * ~(y[:, :, None] & x[:, None, :])[:, None]


def color(images: Tensor, shift: Tensor, saturated: Tensor, contrasted: Tensor) -> Tensor:
    """Change brightness, then saturation, then contrast, by ``(n,)`` values each."""
    return contrast(saturation(brightness(images, shift), saturated), contrasted)


def shrink(images: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Bring images to ``(n,)`` heights and widths, and back to their size about the middle.

    Nearest pixels are taken; around an image that got smaller there are zeros.

    >>> row = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
    >>> shrink(row, torch.tensor([1]), torch.tensor([2])).flatten().tolist()
    [0.0, 1.0, 3.0, 0.0]
    >>> shrink(row, torch.tensor([1]), torch.tensor([8])).flatten().tolist()
    [2.0, 2.0, 3.0, 3.0]
    """
    most = torch.stack([height, width]).max(0).values.clamp(min=max(images.shape[-2:]))
    places = [
        _stretched(size, most, side, images)
        for size, side in zip((height, width), images.shape[-2:], strict=True)
    ]
    return _gathered(images, *places)


def affine(images: Tensor, matrix: Tensor, *, mode: str = "bilinear") -> Tensor:
    """Warp by ``(n, 2, 3)`` matrices from output to input, both in ``[-1, 1]`` coordinates."""
    theta = moved(matrix.to(images.dtype), images.device).expand(len(images), 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode=mode, align_corners=False)


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


def _stretched(size: Tensor, most: Tensor, side: int, images: Tensor) -> tuple[Tensor, Tensor]:
    # Like _window: an image of another size in the middle of a square, of which the middle is seen.
    size, most = (moved(values, images.device)[:, None] for values in (size, most))
    position = torch.arange(side, device=images.device) + (most - side) // 2 - (most - size) // 2
    position = position.expand(len(images), side)
    source = (position * (side / size.float())).floor().long()
    return source.clamp(0, side - 1), (position >= 0) & (position < size)


def _gathered(
    images: Tensor, rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]
) -> Tensor:
    # Pixels from where they come; zeros where that is outside.
    (y, inside_y), (x, inside_x) = rows, columns
    image = torch.arange(len(images), device=images.device)[:, None, None]
    moved = images.movedim(1, -1)[image, y[:, :, None], x[:, None, :]].movedim(-1, 1)
    return moved * (inside_y[:, :, None] & inside_x[:, None, :])[:, None]
