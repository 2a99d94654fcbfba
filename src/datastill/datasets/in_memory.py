"""Images that a Python program already has: arrays, or any map-style dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from datastill.base.errors import InputError, is_whole, told
from datastill.data import Domain, ImageSet
from datastill.datasets.base import (
    GREY_MODES,
    Found,
    Reading,
    Size,
    image_set,
    labels_of,
    pixels_of,
    require_classes,
    resized,
    set_for_tests,
    unseen,
    upright,
)


class MapStyle(Protocol):
    """Anything with a length whose items are pairs of an image and a label."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def from_arrays(
    images: Any,
    labels: Any,
    *,
    name: str = "images",
    classes: Sequence[str] | None = None,
    size: Size | int | None = None,
    mirror: bool | None = None,
    like: Domain | None = None,
) -> ImageSet:
    """Make a set of arrays or tensors.

    Large arrays of bytes are not copied; they may be mapped files (``numpy.memmap``).

    Args:
        images: ``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)``: bytes, integers from 0 to 255,
            or floats from 0 to 1.
        labels: ``(N,)`` integers or names, or ``(N, K)`` rows of a single one.
        name: of the domain.
        classes: names that labels ``0, 1, ...`` stand for; by default the labels that occur.
        size: height and width to bring images to, or one number for both.
        mirror: see ``Domain``; by default that of ``like``, or True.
        like: the domain of the training images, if these are test images.

    Raises:
        InputError: for anything else.

    >>> data = from_arrays(np.eye(8, dtype=np.uint8)[None].repeat(4, 0) * 255, list("abba"))
    >>> data.domain.classes, data.labels.tolist(), data.domain.mean
    (('a', 'b'), [0, 1, 1, 0], (0.125,))
    """
    source = f"the arrays of {name}"
    array = images if isinstance(images, Tensor) else np.asanyarray(images)
    found, known = labels_of(labels, None if classes is None else tuple(classes), source)
    pixels = pixels_of(array, source)
    if len(found) != len(pixels):
        raise InputError(f"{source}: {len(pixels)} images but {len(found)} labels")
    reading = Reading(size=sides(size), mirror=mirror)
    everything = Found(pixels, found, known, source)
    if like is not None:
        return set_for_tests(everything, reading, like, name=name)
    require_classes(everything)
    return image_set(everything, reading, name=name)


def from_dataset(
    dataset: MapStyle,
    *,
    name: str = "images",
    classes: Sequence[str] | None = None,
    size: Size | int | None = None,
    mirror: bool | None = None,
    like: Domain | None = None,
) -> ImageSet:
    """Make a set of any map-style dataset, such as torch's or torchvision's.

    Args:
        dataset: its items are pairs of an image (PIL, or an array as ``from_arrays`` takes, without
            its first axis) and a label. Images must not be normalised.
        name: see ``from_arrays``, as for the rest.
        classes: by default ``dataset.classes`` if there is such a list.
        size: see ``from_arrays``.
        mirror: likewise.
        like: likewise.

    Raises:
        InputError: for items that are no such pairs, or images of different shapes and no size.
    """
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise InputError(
            f"`dataset` must have a length and items by their numbers, found {told(dataset)}; "
            "list(...) makes that of what can only be gone through; of a loader take its dataset"
        )
    images: list[Tensor] = []
    labels: list[Any] = []
    wanted = Reading(size=sides(size)).size
    for i in range(len(dataset)):
        image, label = _pair(dataset[i], i, name)
        image = _pixels(image, f"image {i} of {name}", wanted)
        if images and image.shape[1:] != images[0].shape[1:]:
            raise InputError(
                f"image {i} of {name} has the shape {tuple(image.shape[1:])}, the first "
                f"{tuple(images[0].shape[1:])}; a size brings them to one"
            )
        images.append(image)
        labels.append(_label(label))
    if not images:
        raise InputError(f"{name} holds no images")
    if classes is None:
        said = getattr(dataset, "classes", None)
        classes = said if isinstance(said, list | tuple) else None
    return from_arrays(
        torch.cat(images), labels, name=name, classes=classes, mirror=mirror, like=like
    )


def sides(size: Size | int | None) -> Size | None:
    """Return a size as height and width; one number is both.

    Raises:
        InputError: for anything else.

    >>> sides(32), sides((32, 48)), sides(None)
    ((32, 32), (32, 48), None)
    """
    if size is None:
        return None
    given = tuple(size) if isinstance(size, Sequence) and not isinstance(size, str) else (size,) * 2
    if len(given) != 2 or not all(map(is_whole, given)):
        raise InputError(f"`size` must be a number, or height and width, found {told(size)}")
    height, width = map(int, given)
    return height, width


def _pair(item: Any, index: int, name: str) -> tuple[Any, Any]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        kind = type(item).__name__
        raise InputError(f"item {index} of {name} is of type {kind}, no pair of image and label")
    return item[0], item[1]


def _label(label: Any) -> Any:
    array = label.cpu().numpy() if isinstance(label, Tensor) else label
    return array.item() if isinstance(array, np.ndarray) and array.size == 1 else array


def _pixels(image: Any, source: str, size: Size | None) -> Tensor:
    if isinstance(image, Image.Image):
        image = np.asarray(upright(image, colour=image.mode not in GREY_MODES))
    array = image if isinstance(image, Tensor) else np.asarray(image)
    pixels = pixels_of(array[None], source)
    if size is None:
        return pixels
    return resized(pixels, torch.arange(1), size, source=source, progress=unseen)
