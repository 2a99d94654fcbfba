"""Pictures as files: to numbers and back."""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.data.pixels import ready
from datastill.datasets.base.room import blank

KINDS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
MOST_PIXELS = 2**24
MOST_BYTES = 2**34
"""Of decoded pictures."""

NAMED = 5
"""Pictures that one line names."""

BATCH = 256
"""Pictures that are decoded side by side."""


class Unreadable(InputError):
    """A picture that cannot be read as it is."""


def decode(content: bytes, source: str) -> Tensor:
    """Return the ``(C, H, W)`` bytes of a picture, grey or in colour.

    Args:
        content: of its file.
        source: what to call it in an error.

    Raises:
        InputError: when it is damaged, huge, transparent or of more than 8 bits a channel.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata that is of no use here
            picture = Image.open(io.BytesIO(content), formats=KINDS)
            if picture.width * picture.height > MOST_PIXELS:
                raise InputError(f"{source} has {picture.width}x{picture.height} pixels, too many")
            picture.load()
            plain = _plain(picture)
    except InputError:
        raise
    except Image.DecompressionBombError:
        raise InputError(f"{source} has too many pixels") from None
    except Exception:  # a damaged picture can fail in any way
        raise Unreadable(f"{source} is damaged or no picture") from None
    if plain is None:
        raise Unreadable(
            f"{source} is of kind {picture.mode}, not grey or RGB of 8 bits a channel: save it as "
            "one of these, by Pillow's convert('RGB') say"
        )
    array = np.array(plain)
    return torch.from_numpy(array[None] if array.ndim == 2 else array).movedim(
        -1 if array.ndim == 3 else 0, 0
    )


def _plain(picture: Image.Image) -> Image.Image | None:
    if picture.mode in ("L", "RGB"):
        return picture
    if picture.mode in ("1", "P"):
        return picture.convert("L" if picture.mode == "1" else "RGB")
    if picture.mode in ("LA", "RGBA") and picture.getextrema()[-1] == (255, 255):
        return picture.convert(picture.mode[:-1])
    return None


def decoded(readers: Sequence[Callable[[], bytes]], names: Sequence[str]) -> Tensor:
    """Decode pictures of one size: ``(N, C, H, W)`` bytes, of very many in a file without a name.

    Grey ones among coloured ones become coloured.

    Args:
        readers: return the content of each.
        names: what to call each in an error.

    Raises:
        InputError: when there are none, they take too much room, sizes differ, or see ``decode``.
    """
    if not readers:
        raise InputError("there are no pictures")
    first = _first(readers, names)
    require_room((len(readers), *first.shape), names[0])
    images = blank((len(readers), *first.shape), torch.uint8)

    def one(row: int) -> Tensor:
        return decode(readers[row](), names[row])

    try:
        return _filled(images, one, names)
    except Unreadable:
        raise _all_unreadable(one, names) from None


def _filled(images: Tensor, one: Callable[[int], Tensor], names: Sequence[str]) -> Tensor:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(names), BATCH):
            rows = range(start, min(start + BATCH, len(names)))
            for row, picture in zip(rows, pool.map(one, rows), strict=True):
                if picture.shape[1:] != images.shape[2:]:
                    sizes = f"has {_size(picture)} pixels, but {names[0]} {_size(images[0])}"
                    raise InputError(f"{names[row]} {sizes}")
                if len(picture) > images.shape[1]:
                    images = _coloured(images, row)
                images[row] = picture
    return images


def _all_unreadable(one: Callable[[int], Tensor], names: Sequence[str]) -> InputError:
    # Everything that is wrong at once, not one picture a run.
    def problem(row: int) -> str | None:
        try:
            one(row)
        except Unreadable as error:
            return str(error)
        except InputError:  # told when these are put right
            return None
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        told = [said for said in pool.map(problem, range(len(names))) if said is not None]
    if len(told) == 1:
        return InputError(told[0])
    some = "; ".join(told[:NAMED]) + (f" and {len(told) - NAMED} more" if told[NAMED:] else "")
    return InputError(f"{len(told)} of {len(names)} pictures cannot be read: {some}")


def require_room(shape: Sequence[int], source: str) -> None:
    """Refuse more pictures than are read, before they are decoded.

    Raises:
        InputError: naming the limit.
    """
    size = math.prod(shape)
    if size > MOST_BYTES:
        raise InputError(
            f"{shape[0]:,} pictures of {_side(shape[1:])}, as {source}, are {size:,} bytes; at "
            f"most {MOST_BYTES:,} are read: import a part of them"
        )


def _first(readers: Sequence[Callable[[], bytes]], names: Sequence[str]) -> Tensor:
    for reader, name in zip(readers, names, strict=True):
        try:
            return decode(reader(), name)
        except Unreadable:  # told with the others
            continue
    return torch.zeros(1, 1, 1, dtype=torch.uint8)


def _coloured(images: Tensor, done: int) -> Tensor:
    wide = blank((len(images), 3, *images.shape[2:]), torch.uint8)
    wide[:done] = images[:done]
    return wide


def encode(pixels: Tensor) -> bytes:
    """Return the PNG of a ``(C, H, W)`` picture in ``[0, 1]``, of 1 or 3 channels."""
    levels = (pixels.clamp(0, 1) * 255).round().to(torch.uint8)
    array = levels[0].numpy() if len(levels) == 1 else levels.movedim(0, -1).contiguous().numpy()
    content = io.BytesIO()
    Image.fromarray(array).save(content, format="PNG")
    return content.getvalue()


def drawable(data: ImageSet) -> Tensor:
    """Return the ``(N, C, H, W)`` pixels of a set that pictures can show.

    Raises:
        InputError: when its channels are neither grey nor colours.
    """
    if data.domain.shape[0] not in (1, 3):
        raise InputError(
            f"pictures have 1 or 3 channels; this set has {data.domain.shape[0]}: --to npz keeps "
            "any"
        )
    return data.domain.pixels(ready(data.images).cpu().float())


def losses(pixels: Tensor) -> tuple[str, ...]:
    """Say what pictures of 8 bits lose of pixels."""
    outside = ((pixels < 0) | (pixels > 1)).float().mean().item()
    farthest = max(0.0, -pixels.min().item(), pixels.max().item() - 1)
    rounded = "pictures have 8 bits a channel: pixels are rounded to steps of 1/255"
    if not outside:
        return (rounded,)
    return (f"{rounded}, and {outside:.1%} of them, up to {farthest:.2f} outside 0 to 1, are cut",)


def _size(picture: Tensor) -> str:
    return _side(picture.shape[1:])


def _side(sides: Sequence[int]) -> str:
    return "x".join(map(str, sides))
