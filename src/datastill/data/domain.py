"""What images of one source share, and how those of one are shown as another's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.base.errors import InputError, in_plain, is_number, is_whole, of_kind, told, truth
from datastill.base.rng import moved
from datastill.base.wording import counted, some

UNNAMED = "imported"
"""The name of a domain where nobody said whose images a set imitates."""


def _several(name: str, values: Any) -> tuple[Any, ...]:
    if (
        isinstance(values, str | bytes | Mapping | set | frozenset)  # a set has no order
        or not isinstance(values, Iterable)
        or not getattr(values, "ndim", 1)
    ):
        raise InputError(f"`{name}` must be a tuple, found {told(values)}")
    return tuple(cast("Iterable[Any]", values))


@dataclass(frozen=True)
class Domain:
    """What all images of one source share.

    Attributes:
        name: of the dataset.
        shape: channels, height and width of an image.
        classes: their names, in the order of the labels.
        mean: one per channel, subtracted from pixels in ``[0, 1]``.
        std: one per channel, divided by after that.
        mirror: whether an image seen in a mirror still shows its class. It decides whether
            augmentation may flip: clothes yes, digits no.
    """

    name: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mirror: bool = True

    def __post_init__(self) -> None:
        for name in ("shape", "classes", "mean", "std"):
            object.__setattr__(self, name, _several(name, getattr(self, name)))
        of_kind(str, "the name of the dataset", name=self.name)
        for known in self.classes:
            of_kind(str, "a tuple of names", classes=known)
        truth(mirror=self.mirror)
        if len(self.shape) != 3 or not all(is_whole(side) and side > 0 for side in self.shape):
            raise InputError(f"images of shape {told(self.shape)}, not (channels, height, width)")
        if not len(self.mean) == len(self.std) == self.shape[0]:
            raise InputError(
                f"{counted(len(self.mean), 'mean')}, {counted(len(self.std), 'std')}, "
                f"{counted(self.shape[0], 'channel')}"
            )
        numbers = (*self.mean, *self.std)
        if not all(map(is_number, numbers)) or min(self.std) <= 0:
            raise InputError(f"a normalisation by mean {told(self.mean)} and std {told(self.std)}")
        for name in ("shape", "mean", "std"):
            object.__setattr__(self, name, tuple(map(in_plain, getattr(self, name))))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Map ``(..., C, H, W)`` pixels in ``[0, 1]`` to ``(pixels - mean) / std``."""
        mean, std = self._statistics(pixels)
        return (pixels - mean).div_(std)  # in place: a second large tensor costs more than sums

    def pixels(self, images: Tensor) -> Tensor:
        """Undo ``normalise``; synthetic images may leave ``[0, 1]``."""
        mean, std = self._statistics(images)
        return images * std + mean

    def in_bytes(self, images: Tensor) -> Tensor:
        """Return normalised images as they are when each value of a pixel is kept in one byte."""
        return self.normalise((self.pixels(images).clamp(0, 1) * 255).round() / 255)

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        values = torch.tensor([self.mean, self.std], dtype=like.dtype)
        mean, std = moved(values[:, :, None, None], like.device)
        return mean, std


def unnormalised(domain: Domain) -> Domain:
    """Return the same domain with pixels as they are: mean 0 and std 1."""
    zeros, ones = (0.0,) * domain.shape[0], (1.0,) * domain.shape[0]
    return replace(domain, mean=zeros, std=ones)


def convert(images: Tensor, found: Domain, wanted: Domain) -> Tensor:
    """Show images of one domain as another has them, differentiably.

    Args:
        images: ``(N, C, H, W)``, normalised as ``found`` says.
        found: their domain.
        wanted: the other; grey is repeated over its channels, colours are averaged to grey, the
            size is changed by bilinear interpolation, the normalisation is exchanged.

    Returns:
        ``(N, *wanted.shape)``.

    Raises:
        InputError: when the channels of one are neither those of the other, nor one, nor averaged
            to one.
    """
    same = (found.shape, found.mean, found.std) == (wanted.shape, wanted.mean, wanted.std)
    if same:
        return images
    pixels, channels = found.pixels(images), wanted.shape[0]
    if pixels.shape[1] != channels:
        if channels != 1 and pixels.shape[1] != 1:
            raise InputError(
                f"{found.name} has {counted(pixels.shape[1], 'channel')}, {wanted.name} "
                f"{channels}; "
                "only grey images can stand in for others"
            )
        pixels = pixels.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    if pixels.shape[2:] != wanted.shape[1:]:
        pixels = F.interpolate(
            pixels, wanted.shape[1:], mode="bilinear", align_corners=False, antialias=True
        )
    return wanted.normalise(pixels)


def require_same_kind(found: Domain, expected: Domain) -> None:
    """Refuse to mix images of different shape or classes.

    Raises:
        InputError: naming both.
    """
    if found.shape != expected.shape:
        wanted = size_of(expected)
        raise InputError(
            f"{found.name} has images of {size_of(found)}, but {expected.name} has {wanted}"
        )
    if found.classes != expected.classes:
        raise InputError(
            f"{found.name} has {counted(len(found.classes), 'class')} ({some(found.classes)}), "
            f"but {expected.name} has {len(expected.classes)} ({some(expected.classes)})"
        )


def size_of(domain: Domain) -> str:
    """Return the shape of an image in words: ``1x28x28``."""
    return "x".join(str(side) for side in domain.shape)
