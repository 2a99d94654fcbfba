"""Pictures as files: to numbers and back."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from datastill.data import ImageSet
from datastill.errors import InputError

KINDS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
MOST_PIXELS = 2**24


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
        raise InputError(f"{source} is damaged or no picture") from None
    if plain is None:
        raise InputError(f"{source} is of kind {picture.mode}, not grey or RGB of 8 bits a channel")
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


def stack(pictures: Sequence[Tensor], names: Sequence[str]) -> Tensor:
    """Put pictures of one size together: ``(N, C, H, W)`` bytes.

    Grey ones among coloured ones become coloured.

    Raises:
        InputError: when sizes differ.
    """
    colours = max(len(picture) for picture in pictures)
    for picture, name in zip(pictures, names, strict=True):
        if picture.shape[1:] != pictures[0].shape[1:]:
            raise InputError(
                f"{name} has {_size(picture)} pixels, but {names[0]} {_size(pictures[0])}"
            )
    return torch.stack([picture.expand(colours, -1, -1) for picture in pictures])


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
        raise InputError(f"pictures have 1 or 3 channels; this set has {data.domain.shape[0]}")
    return data.domain.pixels(data.images.cpu().float())


def losses(pixels: Tensor) -> tuple[str, ...]:
    """Say what pictures of 8 bits lose of pixels."""
    outside = ((pixels < 0) | (pixels > 1)).float().mean().item()
    farthest = max(0.0, -pixels.min().item(), pixels.max().item() - 1)
    rounded = "pictures have 8 bits a channel: pixels are rounded to steps of 1/255"
    if not outside:
        return (rounded,)
    return (f"{rounded}, and {outside:.1%} of them, up to {farthest:.2f} outside 0 to 1, are cut",)


def _size(picture: Tensor) -> str:
    return "x".join(str(side) for side in picture.shape[1:])
