"""Encoded images to arrays of one size."""

from __future__ import annotations

import io
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from datastill.base import threads
from datastill.base.errors import InputError
from datastill.datasets.base.reading import Encoded, Pictures, Progress, Reading, Size, side_by_side
from datastill.datasets.base.room import blank, coloured, require_size
from datastill.identity import Digests, digest_of

T = TypeVar("T")

GREY_MODES = ("1", "L", "LA", "La")
COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")

ORIENTATION = 0x0112
"""The EXIF tag by which a camera says how it was held."""


SMALL = 2**14
"""Bytes of a picture below which threads wait for each other longer than it takes to decode."""

HANDFUL = 64
"""Pictures that a thread decodes before it hands them on."""


@dataclass(frozen=True)
class Kind:
    """What all pictures of a dataset have in common once they are decoded.

    Attributes:
        size: of all.
        colour: whether they have colours; None if any that has shall decide it.
        fitted: whether pictures of another size are brought to this one; else they are refused.
        first: name of the picture that has it.
    """

    size: Size
    colour: bool | None
    fitted: bool = True
    first: str = ""


class Damaged(InputError):
    """A picture that cannot be decoded."""


def decode(
    pictures: Pictures,
    rows: Sequence[int],
    kind: Kind,
    *,
    source: str,
    progress: Progress,
    known: bool = False,
) -> tuple[Tensor, Digests]:
    """Decode pictures into one array of bytes ``(n, C, H, W)``.

    Args:
        pictures: see ``Pictures``.
        rows: which of them, ascending.
        kind: what to bring them to.
        source: their name on the progress bar.
        progress: shows how far this is.
        known: whether their digests are wanted.

    Returns:
        The array, and the digests of the pictures as large as they are, see ``identity.digests``;
        none where they are not wanted.

    Raises:
        InputError: for pictures that are damaged, all of which are named, or of a kind that cannot
            be read, or of another size.
    """
    found: list[bytes] = []
    images = blank((len(rows), 3 if kind.colour else 1, *kind.size), torch.uint8)
    held = images.numpy()
    with warnings.catch_warnings(action="ignore"):  # of odd palettes and the like
        done = worked(pictures, rows, partial(_array, kind=kind, known=known))
        for row, (array, digest) in enumerate(progress(done, f"reading {source}", len(rows))):
            if len(array) > held.shape[1]:  # the first that has colour: all become coloured
                images = coloured(images, row)
                held = images.numpy()
            held[row] = array
            found.append(digest)
    return images, np.frombuffer(b"".join(found), np.uint64)


def kind_of(
    pictures: Pictures, reading: Reading, colour: bool | None, *, source: str, whole: bool = False
) -> Kind:
    """Find out what pictures have in common: their size, and whether any has colour.

    Args:
        pictures: see ``Pictures``; at least one.
        reading: the size, if one is asked for.
        colour: whether they are to be read in colour; None if they are to tell.
        source: their name.
        whole: whether all are to be decoded: then they tell while they are.

    Raises:
        InputError: when they are too small or too large, and no size is asked for; see ``decode``.
    """
    if reading.size is not None and colour is not None:
        return Kind(reading.size, colour)
    (first,) = pictures.at([0])
    its, mode = header(first)
    size = reading.size or its
    if reading.size is None:
        require_size(size, source)
    if colour is None and mode not in GREY_MODES:
        colour = True
    elif colour is None and not whole:
        everything = pictures.at(range(len(pictures)))
        seen = reading.progress(everything, f"looking at {source}", len(pictures))
        colour = any(header(encoded)[1] not in GREY_MODES for encoded in seen)
    return Kind(size, colour, reading.size is not None, first.name)


def damaged_in(pictures: Pictures, reading: Reading, *, source: str) -> dict[int, str]:
    """Return what is wrong with the pictures that cannot be decoded, by their rows."""

    def problem(encoded: Encoded) -> str | None:
        try:
            _plain(encoded, reading.size, None)
        except Damaged as error:
            return str(error)
        except InputError:  # not damaged, but of a kind that cannot be read: told when it is
            return None
        return None

    with warnings.catch_warnings(action="ignore"):
        done = worked(pictures, range(len(pictures)), problem)
        told = enumerate(reading.progress(done, f"checking {source}", len(pictures)))
        return {row: said for row, said in told if said is not None}


def workers() -> int:
    """Return how many threads may decode: as many processors as are ours, or torch is told."""
    return max(1, min(threads.cores(), torch.get_num_threads()))


def upright(picture: Image.Image, *, colour: bool, own: bool = False) -> Image.Image:
    """Return a picture as people see it, in RGB or in grey; what is transparent becomes white.

    Args:
        picture: any.
        colour: whether in RGB.
        own: whether nobody else has the picture, which may then be changed.
    """
    if own:
        ImageOps.exif_transpose(picture, in_place=True)  # spares a copy
    else:
        picture = ImageOps.exif_transpose(picture)
    if picture.has_transparency_data:  # below it there is often nothing but black
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB" if colour else "L")


def worked(pictures: Pictures, rows: Sequence[int], work: Callable[[Encoded], T]) -> Iterator[T]:
    """Yield what some work makes of pictures, in their order; several are worked on at once."""

    def some(handful: Sequence[Encoded]) -> list[T]:
        return [work(encoded) for encoded in handful]

    count = workers()
    pending: deque[Future[list[T]]] = deque()
    with ThreadPoolExecutor(count) as pool:
        for handful in _handfuls(pictures.at(rows)):
            if count == 1 or (not pending and _size(handful[0]) < SMALL):
                yield from some(handful)
                continue
            pending.append(pool.submit(some, handful))
            if len(pending) > 2 * count:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()


def _size(encoded: Encoded) -> int:
    content = encoded.content
    try:
        return len(content) if isinstance(content, bytes) else content.stat().st_size
    except OSError:  # told when it is read
        return 0


def _handfuls(items: Iterable[Encoded]) -> Iterator[list[Encoded]]:
    iterator = iter(items)
    while handful := list(islice(iterator, HANDFUL)):
        yield handful


def _array(encoded: Encoded, kind: Kind, *, known: bool) -> tuple[np.ndarray, bytes]:
    plain, whole = _plain(encoded, kind.size if kind.fitted else None, kind.colour)
    height, width = kind.size
    digest = b""
    if known:
        original = plain if whole else _plain(encoded, None, kind.colour)[0]
        digest = digest_of(_values(original))
    if plain.size != (width, height):
        if not kind.fitted:
            raise _differing(kind, encoded, (plain.height, plain.width))
        plain = ImageOps.fit(plain, (width, height), Image.Resampling.BILINEAR)
    return _values(plain), digest


def _values(plain: Image.Image) -> np.ndarray:
    array = np.asarray(plain)
    return array.transpose(2, 0, 1) if array.ndim == 3 else array[None]


def _plain(encoded: Encoded, size: Size | None, colour: bool | None) -> tuple[Image.Image, bool]:
    # A picture in RGB or grey, upright: as large as it is, or larger than a size; and which of it.
    with _opened(encoded) as picture:
        if colour is None:
            colour = picture.mode not in GREY_MODES
        own = picture.size
        try:
            if size is not None:
                # A JPEG can be decoded at a half, a quarter, an eighth of its size.
                picture.draft(None, (2 * max(size), 2 * max(size)))
            whole = picture.size == own
            return upright(picture, colour=colour, own=True), whole
        except Exception as error:  # a damaged picture can fail in any way
            raise Damaged(f"{encoded.name} is damaged: {error or type(error).__name__}") from None


def _differing(kind: Kind, other: Encoded, size: Size) -> InputError:
    return InputError(
        f"images differ in size: {kind.first} has {side_by_side(kind.size)} pixels, {other.name} "
        f"{side_by_side(size)}; name the size to bring them to, such as `size=32`"
    )


def header(encoded: Encoded) -> tuple[Size, str]:
    """Return the size of a picture, upright, and Pillow's word for the kind of its pixels.

    Raises:
        InputError: when it is damaged, or of a kind that cannot be read.
    """
    with warnings.catch_warnings(action="ignore"), _opened(encoded) as picture:
        width, height = picture.size
        try:
            turned = picture.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
        except Exception as error:  # likewise
            raise Damaged(f"{encoded.name} is damaged: {error}") from None
        return (width, height) if turned else (height, width), picture.mode


def _opened(encoded: Encoded) -> Image.Image:
    content = encoded.content
    try:
        picture = Image.open(content if isinstance(content, Path) else io.BytesIO(content))
    except Image.UnidentifiedImageError:
        raise Damaged(f"{encoded.name} is damaged or no picture") from None
    except Exception as error:  # likewise
        raise Damaged(f"{encoded.name} is damaged: {error or type(error).__name__}") from None
    if picture.mode not in (*GREY_MODES, *COLOUR_MODES):
        picture.close()
        raise InputError(
            f"{encoded.name} has pixels of mode {picture.mode!r}; "
            "expected 8 bits per channel, in grey or in colour"
        )
    return picture
