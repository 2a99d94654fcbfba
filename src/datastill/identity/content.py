"""Images known by what they show: by their pixels, not by rows, names or order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datastill.data import ImageSet
from datastill.data.pixels import Part, Pixels

Digests = NDArray[np.uint64]
"""One number for each image; images have equal ones if their pixels are equal."""

PERSON = b"datastill image"
AT_ONCE = 4096
"""Images at a time."""
SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""An odd number: to multiply by it loses nothing."""


@dataclass(frozen=True)
class Content:
    """Which labelled images a set holds, in whatever order.

    Attributes:
        images: how many.
        digest: of the digests of all of them, each with the name of its class.
    """

    images: int
    digest: str

    @classmethod
    def of(cls, digests: Digests, labels: Tensor, classes: Sequence[str]) -> Content:
        """Return the content of images by their digests, ``(N,)`` labels and names of classes."""
        both = _labelled(digests, labels, classes)
        digest = hashlib.blake2b(np.sort(both).tobytes(), digest_size=8)
        return cls(len(digests), digest.hexdigest())

    def facts(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


def digests(values: Tensor, rows: Tensor | None = None) -> Digests:
    """Return a digest of every image, by its pixels alone.

    A picture without colour has the same digest whether it is kept in one channel or in three.

    Args:
        values: ``(N, C, H, W)`` bytes, or floats, before any normalisation.
        rows: which of them; by default all.
    """
    found = [digest for images in _parts(values, rows) for digest in _of_each(images)]
    return np.frombuffer(b"".join(found), np.uint64)


def digest_of(image: NDArray[Any]) -> bytes:
    """Return the eight bytes of the digest of one image, ``(C, H, W)``: see ``digests``."""
    looked_at = (image[:, :1], image)  # the first row of a coloured picture mostly tells
    held = image[:1] if all((part == part[:1]).all() for part in looked_at) else image
    digest = hashlib.blake2b(_kind(held), digest_size=8, person=PERSON)
    digest.update(np.ascontiguousarray(held).data)
    return digest.digest()


def content_of(data: ImageSet) -> Content:
    """Return what a set holds: as its reader found out, or else by its images as they are.

    Of a part of what was read, and of images that never were pixels of a dataset, the normalised
    values count.
    """
    held = data.facts.get("content")
    if isinstance(held, dict) and held.get("images") == len(data):
        return Content(len(data), str(held.get("digest")))
    return Content.of(_as_they_are(data.images), data.hard_labels, data.domain.classes)


def keys_of(data: ImageSet) -> Digests:
    """Return a number for each labelled image, equal where the pixels and the class are.

    As they were read, if that is known; else as they are.
    """
    return _labelled(digests_of(data), data.hard_labels, data.domain.classes)


def digests_of(data: ImageSet) -> Digests:
    """Return the digests of a set's images: as they were read, if that is known; else as they are.

    Classes have no part in it.
    """
    return _as_they_are(data.images) if data.digests is None else data.digests


def fingerprint(data: ImageSet) -> str:
    """Name the exact images and labels of a set by 16 hexadecimal digits.

    Of a set that is kept as pixels, these and their normalisation count.
    """
    digest = hashlib.blake2b(digest_size=8)
    images = data.images
    if isinstance(images, Pixels):
        digest.update(repr(images.normalisation).encode())
    if isinstance(images, Part):
        some = torch.arange(len(data), device=images.device).split(AT_ONCE)
        parts = (images.part(rows).chosen() for rows in some)
        _add(digest, (images.held.dtype, tuple(images.shape)), parts)
    else:
        _add(digest, (images.dtype, tuple(images.shape)), [images])
    _add(digest, (data.labels.dtype, tuple(data.labels.shape)), [data.labels])
    return digest.hexdigest()


def _as_they_are(images: Tensor) -> Digests:
    if isinstance(images, Part):
        return digests(images.held, images.rows)
    return digests(images.detach())


def _labelled(digests: Digests, labels: Tensor, classes: Sequence[str]) -> Digests:
    # Of the digests of images and the names of their classes.
    names = np.array([_number(hashlib.blake2b(name.encode(), digest_size=8)) for name in classes])
    found: Digests = digests * SPREAD + names.astype(np.uint64)[labels.cpu().numpy()]
    return found


def _of_each(images: Tensor) -> Iterator[bytes]:
    # What ``digest_of`` makes of each, faster.
    grey = (images == images[:, :1]).flatten(1).all(1).tolist()
    held = images.contiguous().numpy()
    seed = hashlib.blake2b(digest_size=8, person=PERSON)
    starts = [seed.copy(), seed.copy()]
    starts[False].update(_kind(held[0]))
    starts[True].update(_kind(held[0, :1]))
    for image, is_grey in zip(held, grey, strict=True):
        one = starts[is_grey].copy()
        one.update((image[:1] if is_grey else image).data)
        yield one.digest()


def _kind(image: NDArray[Any]) -> bytes:
    return repr((image.dtype.str, *image.shape)).encode()


def _parts(values: Tensor, rows: Tensor | None) -> Iterator[Tensor]:
    chosen = torch.arange(len(values)) if rows is None else rows.cpu()
    for some in chosen.split(AT_ONCE):
        part = values[some.to(values.device)].cpu()
        yield part if part.dtype == torch.uint8 else part.float()


def _number(digest: Any) -> int:
    return int.from_bytes(digest.digest(), "little")


def _add(digest: Any, kind: tuple[Any, ...], parts: Iterable[Tensor]) -> None:
    digest.update(repr(kind).encode())
    for part in parts:
        digest.update(part.detach().cpu().contiguous().numpy().data)
