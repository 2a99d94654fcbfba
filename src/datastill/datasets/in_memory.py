"""Images that a Python program already has: arrays, or any map-style dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from datastill.base.errors import InputError, of_kind, reason, suggestion, told
from datastill.base.usual import as_usual
from datastill.base.wording import counted
from datastill.data import Domain, ImageSet
from datastill.datasets.base import (
    GREY_MODES,
    Found,
    Part,
    Reading,
    Size,
    labels_of,
    pixels_of,
    require_classes,
    resized,
    set_of,
    sides,
    tests_of,
    unseen,
    upright,
)

IMAGE_KEYS = ("image", "img", "images", "picture", "pixels", "pixel_values")
LABEL_KEYS = ("label", "labels", "class", "target", "y")
"""Where items that are dictionaries have them, unless it is said."""


class MapStyle(Protocol):
    """Anything with a length whose items are pairs of an image and a label."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


@as_usual
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
    _require_told(name, like)
    everything = _found(images, labels, _names(classes), f"the arrays of {name}")
    reading = Reading(size=sides(size), mirror=mirror)
    if like is not None:
        return tests_of(Part(everything), reading, name, like)
    require_classes(everything)
    return set_of(Part(everything), reading, name, None)


@as_usual
def from_dataset(
    dataset: MapStyle | Iterable[Any],
    *,
    images: str | None = None,
    labels: str | None = None,
    name: str = "images",
    classes: Sequence[str] | None = None,
    size: Size | int | None = None,
    mirror: bool | None = None,
    like: Domain | None = None,
) -> ImageSet:
    """Make a set of any dataset, such as torch's, torchvision's or Hugging Face's.

    Args:
        dataset: its items are pairs of an image (PIL, or an array as ``from_arrays`` takes, without
            its first axis) and a label, or dictionaries with both. It is read by the numbers of its
            items or, without these, gone through once; of a ``DataLoader`` the dataset is. Images
            must not be normalised.
        images: where dictionaries have the image; by default by the usual names.
        labels: likewise the label.
        name: see ``from_arrays``, as for the rest.
        classes: by default ``dataset.classes`` if there is such a list.
        size: see ``from_arrays``.
        mirror: likewise.
        like: likewise.

    Raises:
        InputError: for items that are no such pairs, or images of different shapes and no size.
    """
    _require_told(name, like)
    _names(classes)
    of_kind((str, type(None)), "the name of a part of items", images=images, labels=labels)
    if isinstance(dataset, DataLoader):
        dataset = cast("MapStyle", dataset.dataset)
    wanted = Reading(size=sides(size)).size
    pixels, classed = _everything(dataset, name, wanted, (images, labels))
    if classes is None:
        said = getattr(dataset, "classes", None)
        classes = said if isinstance(said, list | tuple) else None
    return from_arrays(pixels, classed, name=name, classes=classes, mirror=mirror, like=like)


def _require_told(name: object, like: object) -> None:
    of_kind(str, "a name for the images", name=name)
    of_kind((Domain, type(None)), "the domain of a set (`data.domain`), or None", like=like)


def _names(classes: Any) -> tuple[str, ...] | None:
    wanted = "a list of names, one for each class"
    if classes is None:
        return None
    unordered = isinstance(classes, str | bytes | Mapping | set | frozenset)
    if unordered or not isinstance(classes, Iterable):
        raise InputError(f"`classes` must be {wanted}, found {told(classes)}")
    given = tuple(cast("Iterable[Any]", classes)) if getattr(classes, "ndim", 1) else (classes,)
    for one in given:
        of_kind(str, wanted, classes=one)
    return tuple(map(str, given))


def _found(images: Any, labels: Any, classes: tuple[str, ...] | None, source: str) -> Found:
    array, marks = _array("images", images, source), _array("labels", labels, source)
    marks = marks.detach().cpu() if isinstance(marks, Tensor) else marks
    found, known = labels_of(marks, classes, source)
    pixels = pixels_of(array, source)
    if len(found) != len(pixels):
        raise InputError(
            f"{source}: {counted(len(pixels), 'image')} but {counted(len(found), 'label')}"
        )
    return Found(pixels, found, known, source)


def _array(name: str, values: Any, source: str) -> Tensor | np.ndarray:
    if isinstance(values, Tensor):
        if values.is_meta or values.layout != torch.strided:
            raise InputError(f"{source}: tensors without numbers, or sparse ones, are no arrays")
        return values
    try:
        return np.asanyarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # of lists of different lengths, say
        raise InputError(f"`{name}` make no array: {reason(error)}") from None


def _numbered(dataset: Any) -> bool:
    try:
        return hasattr(dataset, "__getitem__") and len(dataset) >= 0
    except TypeError:  # of what says so itself, as a tensor without axes
        return False


def _everything(
    dataset: Any, name: str, size: Size | None, named: tuple[str | None, str | None]
) -> tuple[Tensor, list[Any]]:
    images: list[Tensor] = []
    labels: list[Any] = []
    for i, item in enumerate(_items(dataset, name)):
        image, label = _pair(item, i, name, named)
        image = _pixels(image, f"image {i} of {name}", size)
        if images and image.shape[1:] != images[0].shape[1:]:
            raise InputError(
                f"image {i} of {name} has the shape {tuple(image.shape[1:])}, the first "
                f"{tuple(images[0].shape[1:])}; a size brings them to one"
            )
        images.append(image)
        labels.append(_label(label))
    if not images:
        raise InputError(f"{name} holds no images")
    return torch.cat(images), labels


def _items(dataset: Any, name: str) -> Iterator[Any]:
    # By their numbers, where they have some: a dataset may be endless when it is gone through.
    if isinstance(dataset, type | Mapping):
        raise _of_another_kind(cast("object", dataset))
    if _numbered(dataset):
        return (_item(dataset, i, name) for i in range(len(dataset)))
    try:
        return iter(dataset)
    except TypeError:
        raise _of_another_kind(dataset) from None


def _of_another_kind(dataset: object) -> InputError:
    return InputError(
        "`dataset` must have items, by their numbers or one after another, each an image with its "
        f"label, found {told(dataset)}"
    )


def _item(dataset: MapStyle, index: int, name: str) -> Any:
    try:
        return dataset[index]
    except (IndexError, KeyError) as error:
        said = f"{type(error).__name__}: {reason(error)}"
        raise InputError(
            f"{name} has a length of {len(dataset)}, but no item {index}: {said}"
        ) from error


def _pair(
    item: Any, index: int, name: str, named: tuple[str | None, str | None]
) -> tuple[Any, Any]:
    source = f"item {index} of {name}"
    if isinstance(item, Mapping):
        table = cast("Mapping[Any, Any]", item)
        image = _key(table, named[0], IMAGE_KEYS, "images", source)
        rest = {key: value for key, value in table.items() if key != image}
        usual = (*LABEL_KEYS, *rest) if len(rest) == 1 else LABEL_KEYS
        return table[image], table[_key(rest, named[1], usual, "labels", source)]
    if named != (None, None):
        raise InputError(f"{source} has no names for `images` and `labels`: leave these out")
    if not isinstance(item, tuple | list) or len(item) != 2:
        kind = type(item).__name__
        raise InputError(f"{source} is of type {kind}, no pair of image and label")
    return item[0], item[1]


def _key(
    table: Mapping[Any, Any], named: str | None, usual: Sequence[Any], what: str, source: str
) -> Any:
    if named is not None and named not in table:
        raise InputError(f"{source} has no {named!r}; {suggestion(named, map(str, table))}")
    found = [key for key in table if key == named or (named is None and key in usual)]
    if len(found) != 1:
        held = ", ".join(map(str, table)) or "nothing"
        raise InputError(f"{source} holds {held}; name one by `{what}`")
    return found[0]


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
