"""Images and labels in named arrays, as people keep them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.registry import folded
from datastill.base.wording import MOST_SHOWN, counted
from datastill.datasets.base.names import wanted
from datastill.datasets.base.reading import LEAST, SPLIT_NAMES, Found, Reading, Split, side_by_side

IMAGE_WORDS = ("images", "image", "imgs", "x", "data", "pixels", "inputs", "samples", "features")
LABEL_WORDS = ("labels", "label", "y", "targets", "target", "lbls", "labs", "lab")
CLASS_WORDS = ("classes", "class_names", "label_names")

CHUNK = 1024
"""Images that are looked at together: of mapped arrays no more than these need be in memory."""

Arrays = Mapping[str, Callable[[], Any]]
"""What loads an array, by its name."""


def found_in(
    arrays: Arrays, split: Split, reading: Reading, *, source: str, own: bool = False
) -> Found | None:
    """Read one split from named arrays.

    Args:
        arrays: such as ``train_images``, ``train_labels``, ``test_images``, ``test_labels``, or
            ``x_train`` and so on; or ``images`` and ``labels``, which are training images. An
            array ``classes`` may hold names of classes.
        split: which.
        reading: the names to look for in place of the usual ones.
        source: the file, for messages.
        own: whether the arrays are of this split alone.

    Returns:
        What was found, or None if there are no test images.

    Raises:
        InputError: for arrays that are missing, ambiguous, or no images and labels.
    """
    images = _name(arrays, split, IMAGE_WORDS, reading.images, own=own, source=source)
    labels = _name(arrays, split, LABEL_WORDS, reading.labels, own=own, source=source)
    if images is None and split == "test":
        return None
    if images is None or labels is None:
        lacks = [w for w, name in (("images", images), ("labels", labels)) if name is None]
        held = ", ".join(arrays) or "nothing"
        raise InputError(f"{source} has no {lacks[0]}: it holds {held}; {wanted(lacks, split)}")
    pixels = pixels_of(arrays[images](), f"{images} of {source}")
    names = [name for name in arrays if folded(name) in map(folded, CLASS_WORDS)]
    classes = class_names(arrays[names[0]](), source) if names else None
    found, classes = labels_of(arrays[labels](), classes, f"{labels} of {source}")
    if len(found) != len(pixels):
        raise InputError(
            f"{source} holds {counted(len(pixels), 'image')} but {counted(len(found), 'label')}"
        )
    return Found(pixels, found, classes, source)


def has_split(arrays: Iterable[str], split: Split, reading: Reading) -> bool:
    """Tell whether there are images of a split among arrays."""
    words = (reading.images,) if reading.images else IMAGE_WORDS
    return bool(_split_names(arrays, split, words))


def pixels_of(array: Any, source: str) -> Tensor:
    """Return images ``(N, C, H, W)`` as bytes or as floats in ``[0, 1]``, without copying bytes.

    Args:
        array: of ``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)``: an axis of less than 8 is
            that of the channels. Bytes; other whole numbers from 0 to 255, of floats too, where
            some are above 1; floats from 0 to 1; booleans.
        source: for messages.

    Raises:
        InputError: for any other shape or range.
    """
    tensor = _channels_first(_tensor(array, source), source)
    if tensor.dtype == torch.uint8:
        return tensor
    if tensor.dtype == torch.bool:
        return tensor.to(torch.uint8) * 255
    low, high = _range(tensor, source)
    if tensor.is_floating_point():
        parts = (part for part in tensor.split(CHUNK) if part.numel())
        if low >= 0 and 1 < high <= 255 and all((p - p.round()).abs().max() < 1e-3 for p in parts):
            return tensor.round().to(torch.uint8)
        if low < 0 or high > 1:
            raise InputError(
                f"{source}: floats from {low:g} to {high:g}; pixels are floats from 0 to 1, "
                "or bytes from 0 to 255"
            )
        return tensor.float()
    if low < 0 or high > 255:
        raise InputError(f"{source}: integers from {low:g} to {high:g}; pixels are from 0 to 255")
    return tensor.to(torch.uint8)


def labels_of(
    array: Any, classes: tuple[str, ...] | None, source: str
) -> tuple[Tensor, tuple[str, ...]]:
    """Return ``(N,)`` indices of classes, and the names of the classes.

    Args:
        array: ``(N,)`` or ``(N, 1)`` integers or names; or ``(N, K)`` rows of a single one.
        classes: names that integers from 0 stand for. Without them, the numbers or names that
            occur are the classes, in order.
        source: for messages.

    Raises:
        InputError: for anything else.
    """
    values = np.asarray(array)
    while values.ndim > 1 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == 2 and values.dtype.kind in "uifb":
        values = _ones(values, classes, source)
    if values.ndim != 1 or values.dtype.kind not in "uifbUS":
        raise InputError(
            f"{source}: {values.dtype} of {side_by_side(values.shape)}; expected one class for "
            "each image: its number, its name, or a row with a single 1"
        )
    values = _whole(values, source) if values.dtype.kind == "f" else _texts(values, source)
    _require_said(values, source)
    if classes is not None and values.dtype.kind != "U":
        return _indices(values, classes, source), classes
    names, indices = np.unique(values, return_inverse=True)
    found = torch.from_numpy(indices.astype(np.int64))
    known = tuple(str(name) for name in names)
    return (found, known) if classes is None else (_renamed(found, known, classes, source), classes)


def class_names(array: Any, source: str) -> tuple[str, ...]:
    """Return an array of names as a tuple.

    Raises:
        InputError: unless it holds different names.
    """
    values = np.asarray(array)
    names = _texts(values, source).tolist() if values.dtype.kind in "US" else []
    if values.ndim != 1 or values.dtype.kind not in "US" or len(set(names)) < len(values):
        raise InputError(f"{source}: its names of classes are not a list of different texts")
    return tuple(map(str, names))


def _tensor(array: Any, source: str) -> Tensor:
    if isinstance(array, Tensor):
        if array.is_complex():
            raise InputError(f"{source}: complex numbers are no pixels")
        return array.detach()
    if array.dtype.kind not in "uifb":
        raise InputError(f"{source}: {array.dtype} are no pixels")
    native = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    if native.dtype.kind == "f" and native.dtype.itemsize > 8:
        native = native.astype(np.float64)  # torch has no longer ones
    if native.dtype.kind == "u" and native.dtype.itemsize > 1:
        native = native.astype(np.int64)  # torch knows little of other unsigned integers
    if any(stride < 0 for stride in native.strides) or not native.flags.writeable:
        native = native.copy()
    return torch.from_numpy(native)


def _channels_first(tensor: Tensor, source: str) -> Tensor:
    shape = tuple(tensor.shape)
    if tensor.ndim == 3 and min(shape[1:]) >= LEAST:
        return tensor[:, None]
    if tensor.ndim == 4:
        short = [axis for axis in (1, 2, 3) if shape[axis] < LEAST]
        if short == [1] and shape[1]:
            return tensor
        if short == [3] and shape[3]:
            return tensor.movedim(3, 1)
    raise InputError(
        f"{source} has the shape {side_by_side(shape) or '()'}; expected images x height x width, "
        f"with channels before or after height and width, and sides of at least {LEAST} pixels"
    )


def _range(tensor: Tensor, source: str) -> tuple[float, float]:
    low, high = float("inf"), float("-inf")
    for part in tensor.split(CHUNK):
        if tensor.is_floating_point() and not bool(torch.isfinite(part).all()):
            raise InputError(f"{source}: some values are not finite numbers")
        if part.numel():
            low, high = min(low, float(part.min())), max(high, float(part.max()))
    return low, high


def _indices(values: np.ndarray, classes: Sequence[str], source: str) -> Tensor:
    odd = values[(values < 0) | (values >= len(classes))] if len(values) else values
    if len(odd):
        raise InputError(f"{source}: label {odd[0]} is outside the classes 0 to {len(classes) - 1}")
    return torch.from_numpy(values.astype(np.int64))


def _renamed(labels: Tensor, known: Sequence[str], classes: Sequence[str], source: str) -> Tensor:
    unknown = [name for name in known if name not in classes]
    if unknown:
        raise InputError(f"{source}: label {unknown[0]!r} is not among the names of classes")
    twice = [name for name in known if classes.count(name) > 1]
    if twice:
        raise InputError(f"{source}: label {twice[0]!r} is the name of two classes: give numbers")
    return torch.tensor([classes.index(name) for name in known])[labels]


def _texts(values: np.ndarray, source: str) -> np.ndarray:
    if values.dtype.kind != "S":
        return values
    try:
        return np.char.decode(values, "utf-8")
    except UnicodeDecodeError as error:
        found = error.object[:MOST_SHOWN]
        raise InputError(f"{source}: the name {found!r} is no text in UTF-8") from None


def _require_said(values: np.ndarray, source: str) -> None:
    # What others leave empty where they do not know a class would be a class of its own.
    empty = np.char.strip(values) == "" if values.dtype.kind == "U" and values.size else values[:0]
    if bool(np.any(empty)):
        raise InputError(
            f"{source}: {counted(int(np.sum(empty)), 'label')} of {len(values)} say nothing, the "
            f"first that of image {int(np.argmax(empty))}; expected a class for each image"
        )


def _ones(rows: np.ndarray, classes: tuple[str, ...] | None, source: str) -> np.ndarray:
    # (N, K) with a single one in each row, as Keras' to_categorical makes them, to (N,) columns.
    several = int(np.count_nonzero((rows != 0).sum(1) > 1))
    size = side_by_side(rows.shape)
    if several:
        raise InputError(
            f"{source}: {rows.dtype} of {size}, of which {several} rows hold several numbers; an "
            "image is of one class here: its number, its name, or a row with a single 1"
        )
    if not np.array_equal(rows.sum(1), np.ones(len(rows))):
        raise InputError(
            f"{source}: {rows.dtype} of {size}; expected one class for each image: its number, "
            "its name, or a row with a single 1"
        )
    if classes is not None and len(classes) != rows.shape[1]:
        raise InputError(
            f"{source}: rows of {rows.shape[1]} for {counted(len(classes), 'name')} of classes"
        )
    return rows.argmax(1)


def _whole(values: np.ndarray, source: str) -> np.ndarray:
    values = values.astype(np.float64)
    odd = values[~((values == np.trunc(values)) & (np.abs(values) < 2**53))]
    if len(odd):
        raise InputError(f"{source}: labels such as {float(odd[0]):g} are no classes")
    return values.astype(np.int64)


def _name(
    arrays: Arrays,
    split: Split,
    words: Sequence[str],
    asked: str | None,
    *,
    own: bool,
    source: str,
) -> str | None:
    words = (asked,) if asked else words
    for candidates in (
        _split_names(arrays, split, words),
        [name for name in arrays if folded(name) in map(folded, words)]
        if own or split == "train"
        else [],
    ):
        if len(candidates) > 1:
            raise InputError(
                f"{source} holds {' and '.join(candidates)}; name the one to take by "
                "`images` or `labels`"
            )
        if candidates:
            return candidates[0]
    return None


def _split_names(arrays: Iterable[str], split: Split, words: Iterable[str]) -> list[str]:
    known = list(arrays)
    for prefix in SPLIT_NAMES[split]:
        wanted = {folded(text) for word in words for text in (prefix + word, word + prefix)}
        found = [name for name in known if folded(name) in wanted]
        if found:
            return found
    return []
