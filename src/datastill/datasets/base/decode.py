"""Encoded images to arrays of one size."""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from datastill.datasets.base.reading import (
    LEAST,
    MOST,
    Encoded,
    Pictures,
    Progress,
    Reading,
    Size,
    side_by_side,
)
from datastill.errors import InputError

GREY_MODES = ("1", "L", "LA", "La")
COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")

ORIENTATION = 0x0112
"""The EXIF tag by which a camera says how it was held."""

BATCH = 256
"""Pictures that are decoded side by side."""

MEMORY_MOST = 2**32
"""Bytes of decoded images that are kept in memory; more go to a file that is mapped into it."""


@dataclass(frozen=True)
class Kind:
    """What all pictures of a dataset have in common once they are decoded."""

    size: Size
    colour: bool


def decode(
    pictures: Pictures, rows: Sequence[int], kind: Kind, *, source: str, progress: Progress
) -> Tensor:
    """Decode pictures into one array of bytes ``(n, C, H, W)``.

    Args:
        pictures: see ``Pictures``.
        rows: which of them, ascending.
        kind: what to bring them to.
        source: their name on the progress bar.
        progress: shows how far this is.

    Raises:
        InputError: for a picture that is damaged, or of a kind that cannot be read.
    """
    shape = (len(rows), 3 if kind.colour else 1, *kind.size)
    images = blank(shape, torch.uint8)
    with warnings.catch_warnings(action="ignore"):  # of odd palettes and the like
        done = _decoded(pictures, rows, kind)
        for row, array in enumerate(progress(done, f"reading {source}", len(rows))):
            images[row] = torch.from_numpy(array)
    return images


def kind_of(pictures: Pictures, reading: Reading, colour: bool | None, *, source: str) -> Kind:
    """Find out what pictures have in common: their size, and whether any has colour.

    Args:
        pictures: see ``Pictures``; at least one.
        reading: the size, if one is asked for.
        colour: whether they are to be read in colour; None if they are to tell.
        source: their name.

    Raises:
        InputError: when they differ in size, or are too small or too large, and none is asked for.
    """
    if reading.size is not None and colour is not None:
        return Kind(reading.size, colour)
    sizes: dict[Size, str] = {}
    grey = True
    everything = pictures.at(range(len(pictures)))
    for encoded in reading.progress(everything, f"looking at {source}", len(pictures)):
        size, mode = _header(encoded)
        grey = grey and mode in GREY_MODES
        sizes.setdefault(size, encoded.name)
        if reading.size is None and len(sizes) > 1:
            (one, first), (other, second) = sizes.items()
            raise InputError(
                f"images differ in size: {first} has {side_by_side(one)} pixels, {second} "
                f"{side_by_side(other)}; name the size to bring them to, such as --size 32"
            )
    size = reading.size or next(iter(sizes))
    if reading.size is None:
        require_size(size, source)
    return Kind(size, not grey if colour is None else colour)


def require_size(size: Size, source: str) -> None:
    """Refuse images of sides that are too short or too long.

    Raises:
        InputError: naming both.
    """
    if min(size) < LEAST or max(size) > MOST:
        raise InputError(
            f"images of {source} have {side_by_side(size)} pixels; sides of {LEAST} to {MOST} "
            "are supported; name the size to bring them to, such as --size 32"
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


def upright(picture: Image.Image, *, colour: bool) -> Image.Image:
    """Return a picture as people see it, in RGB or in grey; what is transparent becomes white."""
    picture = ImageOps.exif_transpose(picture)
    if picture.has_transparency_data:  # below it there is often nothing but black
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB" if colour else "L")


def _reserve(file: int, length: int) -> None:
    # A full disk is found out now: a write to mapped memory could not say so.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, length)
    else:
        os.truncate(file, length)


def _decoded(pictures: Pictures, rows: Sequence[int], kind: Kind) -> Iterator[np.ndarray]:
    def one(encoded: Encoded) -> np.ndarray:
        return _array(encoded, kind)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        batch: list[Encoded] = []
        for encoded in pictures.at(rows):
            batch.append(encoded)
            if len(batch) == BATCH:
                yield from pool.map(one, batch)
                batch.clear()
        yield from pool.map(one, batch)


def _array(encoded: Encoded, kind: Kind) -> np.ndarray:
    height, width = kind.size
    with _opened(encoded) as picture:
        try:
            # A JPEG can be decoded at a half, a quarter, an eighth of its size.
            picture.draft(None, (2 * max(kind.size), 2 * max(kind.size)))
            plain = upright(picture, colour=kind.colour)
            if plain.size != (width, height):
                plain = ImageOps.fit(plain, (width, height), Image.Resampling.BILINEAR)
        except Exception as error:  # a damaged picture can fail in any way
            raise InputError(
                f"{encoded.name} is damaged: {error or type(error).__name__}"
            ) from None
    array = np.asarray(plain)
    return np.moveaxis(array, -1, 0) if kind.colour else array[None]


def _header(encoded: Encoded) -> tuple[Size, str]:
    with warnings.catch_warnings(action="ignore"), _opened(encoded) as picture:
        width, height = picture.size
        try:
            turned = picture.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
        except Exception as error:  # likewise
            raise InputError(f"{encoded.name} is damaged: {error}") from None
        return (width, height) if turned else (height, width), picture.mode


def _opened(encoded: Encoded) -> Image.Image:
    content = encoded.content
    try:
        picture = Image.open(content if isinstance(content, Path) else io.BytesIO(content))
    except Image.UnidentifiedImageError:
        raise InputError(f"{encoded.name} is damaged or no picture") from None
    except Exception as error:  # likewise
        raise InputError(f"{encoded.name} is damaged: {error or type(error).__name__}") from None
    if picture.mode not in (*GREY_MODES, *COLOUR_MODES):
        picture.close()
        raise InputError(
            f"{encoded.name} has pixels of mode {picture.mode!r}; "
            "expected 8 bits per channel, in grey or in colour"
        )
    return picture


def _middle(found: Size, wanted: Size) -> tuple[int, int, int, int]:
    height, width = found
    scale = min(height / wanted[0], width / wanted[1])
    height, width = (max(1, round(scale * n)) for n in wanted)
    return (found[0] - height) // 2, (found[1] - width) // 2, height, width
