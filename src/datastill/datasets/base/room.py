"""Room for many images, and images of arrays brought to another size."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.base.errors import InputError
from datastill.datasets.base.reading import LEAST, MOST, Progress, Size, side_by_side

BATCH = 256
"""Arrays that are resized together."""

MEMORY_MOST = 2**32
"""Bytes of decoded images that are kept in memory; more go to a file that is mapped into it."""


def require_size(size: Size, source: str) -> None:
    """Refuse images of sides that are too short or too long.

    Raises:
        InputError: naming both.
    """
    if min(size) < LEAST or max(size) > MOST:
        raise InputError(
            f"images of {source} have {side_by_side(size)} pixels; sides of {LEAST} to {MOST} "
            "are supported; name the size to bring them to, such as `size=32`"
        )


def resized(values: Tensor, rows: Tensor, size: Size, *, source: str, progress: Progress) -> Tensor:
    """Bring arrays of images to another size: their middle of that shape, bilinearly.

    Args:
        values: ``(N, C, H, W)`` bytes or floats.
        rows: which of them.
        size: height and width.
        source: their name on the progress bar.
        progress: shows how far this is.
    """
    top, left, height, width = _middle((values.shape[2], values.shape[3]), size)
    images = blank((len(rows), values.shape[1], *size), values.dtype)
    parts = rows.split(BATCH)
    start = 0
    for part in progress(parts, f"resizing {source}", len(parts)):
        cut = values[part][:, :, top : top + height, left : left + width].float()
        found = F.interpolate(cut, size, mode="bilinear", align_corners=False, antialias=True)
        if values.dtype == torch.uint8:
            found = found.round().clamp(0, 255)
        images[start : start + len(part)] = found.to(values.dtype)
        start += len(part)
    return images


def blank(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return memory for images: where they are many, that of a file which nobody else sees.

    Raises:
        InputError: when neither memory nor disk has room for them.
    """
    length = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    try:
        if length <= MEMORY_MOST:
            return torch.empty(tuple(shape), dtype=dtype)
        with tempfile.TemporaryFile() as file:
            _reserve(file.fileno(), length)
            array = np.memmap(file, np.uint8, "r+", shape=(length,))
        return torch.from_numpy(array).view(dtype).reshape(tuple(shape))
    except (OSError, RuntimeError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "not enough memory"
        raise InputError(f"no room for {length:,} bytes of images: {reason}") from None


def coloured(images: Tensor, done: int) -> Tensor:
    """Return room for as many images of three channels, in which the first ``done`` are there."""
    wide = blank((len(images), 3, *images.shape[2:]), images.dtype)
    wide[:done] = images[:done]
    return wide


def _reserve(file: int, length: int) -> None:
    # A full disk is found out now: a write to mapped memory could not say so.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, length)
    else:
        os.truncate(file, length)


def _middle(found: Size, wanted: Size) -> tuple[int, int, int, int]:
    height, width = found
    scale = min(height / wanted[0], width / wanted[1])
    height, width = (max(1, round(scale * n)) for n in wanted)
    return (found[0] - height) // 2, (found[1] - width) // 2, height, width
