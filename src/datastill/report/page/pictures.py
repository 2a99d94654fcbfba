"""Images of a set as parts of a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, features
from torch import Tensor

from datastill.data import Domain
from datastill.report.page.parts import Picture

LARGEST = 128
"""Pixels of the longer side from which on images are shrunk, so that a page stays light."""
LOSSY = 85
"""Quality of images that were shrunk: they show what is there, and are no copies."""
GAP = 1
"""Pixels between images on a sheet."""


def picture(image: Tensor, domain: Domain, alt: str) -> Picture:
    """Return a normalised ``(C, H, W)`` image as people see it, clamped to colours there are."""
    return encoded(bytes_of(image, domain), alt)


def bytes_of(images: Tensor, domain: Domain) -> NDArray[np.uint8]:
    """Return normalised images ``(..., C, H, W)`` as bytes ``(..., H, W, 1 or 3)``."""
    pixels = domain.pixels(images.detach().cpu().float()).clamp(0, 1)
    if pixels.shape[-3] not in (1, 3):  # channels that are no colours: their mean
        pixels = pixels.mean(-3, keepdim=True)
    return (pixels * 255).round().to(torch.uint8).movedim(-3, -1).numpy()


def encoded(values: NDArray[np.uint8], alt: str) -> Picture:
    """Return ``(H, W, 1 or 3)`` bytes as a picture, exact unless it is large."""
    image = _image(values)
    exact = max(image.size) <= LARGEST
    if not exact:
        image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return _written(image, alt, exact=exact)


def sheet(values: NDArray[np.uint8], columns: int, alt: str) -> Picture:
    """Return ``(N, H, W, 1 or 3)`` images beside each other as one exact picture.

    Args:
        values: the images.
        columns: how many stand in a row.
        alt: what they show.
    """
    count, high, wide, channels = values.shape
    rows = -(-count // columns)
    size = (rows * (high + GAP) - GAP, columns * (wide + GAP) - GAP, channels)
    whole = np.full(size, 128, np.uint8)
    for i, image in enumerate(values):
        top, left = (i // columns) * (high + GAP), (i % columns) * (wide + GAP)
        whole[top : top + high, left : left + wide] = image
    return _written(_image(whole), alt, exact=True)


def spread(rows_by_class: Sequence[Tensor], most: int) -> list[list[int]]:
    """Pick up to ``most`` images, the first of each class, of as many classes as there are.

    >>> spread([torch.arange(3), torch.arange(3, 5), torch.arange(0)], 3)
    [[0, 1], [3], []]
    """
    picked: list[list[int]] = [[] for _ in rows_by_class]
    left, deep = most, 0
    while left > 0 and any(deep < len(rows) for rows in rows_by_class):
        for rows, own in zip(rows_by_class, picked, strict=True):
            if left > 0 and deep < len(rows):
                own.append(int(rows[deep]))
                left -= 1
        deep += 1
    return picked


def _image(values: NDArray[np.uint8]) -> Image.Image:
    # Of bytes (H, W, 1 or 3).
    grey = values.shape[2] == 1
    return Image.fromarray(np.ascontiguousarray(values[..., 0] if grey else values))


def _written(image: Image.Image, alt: str, *, exact: bool) -> Picture:
    content, kind = io.BytesIO(), "png"
    if features.check("webp"):
        kind = "webp"
        image.save(content, format="WEBP", lossless=exact, quality=100 if exact else LOSSY)
    else:
        image.save(content, format="PNG", optimize=True)
    text = base64.b64encode(content.getvalue()).decode()
    return Picture(f"data:image/{kind};base64,{text}", alt, *image.size)
