"""Pictures as files: to numbers and back."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.data.pixels import ready
from datastill.datasets.base.decode import worked
from datastill.datasets.base.reading import Encoded, Pictures
from datastill.datasets.base.room import blank, coloured
from datastill.exchange.base.contract import content_of

KINDS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
MOST_PIXELS = 2**24
MOST_BYTES = 2**34
"""Of decoded pictures."""

DAMAGED, AWAY = "is damaged or no picture", "; take what is damaged away, or put a sound one there"

NAMED = 5
"""Pictures that one line names."""


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
        with warnings.catch_warnings(action="ignore"):  # of metadata that is of no use here
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
        raise Unreadable(f"{source} {DAMAGED}") from None
    if plain is None:
        raise Unreadable(
            f"{source} is of kind {picture.mode}, not grey or RGB of 8 bits a channel: save it as "
            "one of these, by Pillow's convert('RGB') say"
        )
    array = np.array(plain)
    return torch.from_numpy(array.transpose(2, 0, 1) if array.ndim == 3 else array[None])


def _plain(picture: Image.Image) -> Image.Image | None:
    if picture.mode in ("L", "RGB"):
        return picture
    if picture.mode in ("1", "P"):
        return picture.convert("L" if picture.mode == "1" else "RGB")
    if picture.mode in ("LA", "RGBA") and picture.getextrema()[-1] == (255, 255):
        return picture.convert(picture.mode[:-1])
    return None


def decoded(pictures: Pictures) -> Tensor:
    """Decode pictures of one size: ``(N, C, H, W)`` bytes, of very many in a file without a name.

    Grey ones among coloured ones become coloured.

    Raises:
        InputError: when there are none, they take too much room, sizes differ, or see ``decode``.
    """
    first, shape = _first(pictures)
    require_room((len(pictures), *shape), first)
    images, rows = blank((len(pictures), *shape), torch.uint8), range(len(pictures))
    try:
        for row, (name, picture) in enumerate(worked(pictures, rows, _opened)):
            if picture.shape[1:] != images.shape[2:]:
                sizes = f"has {_size(picture)} pixels, but {first} {_size(images[0])}"
                raise InputError(f"{name} {sizes}: resize them to one size")
            images = coloured(images, row) if len(picture) > images.shape[1] else images
            images[row] = picture
    except Unreadable:
        raise _all_unreadable(pictures) from None
    return images


def _opened(encoded: Encoded) -> tuple[str, Tensor]:
    held = encoded.content
    content = held if isinstance(held, bytes) else content_of(held)
    return encoded.name, decode(content, encoded.name)


def _first(pictures: Pictures) -> tuple[str, tuple[int, ...]]:
    # The name of the first, and the shape of the first that can be read.
    names = list[str]()
    for encoded in pictures.at(range(len(pictures))):
        names.append(encoded.name)
        try:
            return names[0], tuple(_opened(encoded)[1].shape)
        except Unreadable:  # told with the others
            continue
    if not names:
        raise InputError("there are no pictures")
    return names[0], (1, 1, 1)


def _all_unreadable(pictures: Pictures) -> InputError:
    # Everything that is wrong at once, not one picture a run.
    def problem(encoded: Encoded) -> str | None:
        try:
            _opened(encoded)
        except Unreadable as error:
            return str(error)
        except InputError:  # told when these are put right
            return None
        return None

    told = [said for said in worked(pictures, range(len(pictures)), problem) if said is not None]
    if len(told) == 1:
        return InputError(f"{told[0]}{AWAY if told[0].endswith(DAMAGED) else ''}")
    some = "; ".join(told[:NAMED]) + (f" and {len(told) - NAMED} more" if told[NAMED:] else "")
    some += AWAY * any(each.endswith(DAMAGED) for each in told)
    return InputError(f"{len(told)} of {counted(len(pictures), 'picture')} cannot be read: {some}")


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
