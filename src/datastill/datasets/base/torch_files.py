"""Tensors in files of ``torch.save``, of which nothing is run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.datasets.base.names import classes_in, keys_of_classes
from datastill.datasets.base.pickles import Immodest, asked_by, require_modest_torch


def arrays_of(file: Path) -> dict[str, Callable[[], Any]]:
    """Return what loads each tensor or list of a file of ``torch.save``, by its name.

    A dictionary such as ``{classes, images_train, labels_train, images_val, labels_val}``, the
    field's layout of Tiny-ImageNet; dictionaries of splits in it, and one of or by the numbers of
    classes, whose names are in order then; a pair of images and labels; or a
    list of pairs of one image and its class.
    Tensors stay on the disk until they are needed, where the file allows it.

    Raises:
        InputError: when it is damaged, or asks for anything but tensors, numbers, texts, lists and
            dictionaries.
    """
    content = _content(file)
    if isinstance(content, list) and len(content) > 1 and all(map(_is_item, content)):
        images, labels = zip(*content, strict=True)
        content = {"images": list(images), "labels": [_plain(label) for label in labels]}
    if isinstance(content, tuple | list) and len(content) in (2, 3):
        content = {"images": content[0], "labels": content[1]}
    if not isinstance(content, Mapping):
        raise InputError(
            f"{file} holds a {type(content).__name__}; expected a dictionary of images and labels, "
            "such as images_train, labels_train, images_val, labels_val and classes"
        )
    return {name: partial(_array, value, f"{name} of {file}") for name, value in _named(content)}


def _named(content: Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    of_classes = keys_of_classes(content)  # such as classes and class_to_idx: the first counts
    for key, value in content.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping) and key in of_classes:
            if key == of_classes[0]:
                yield f"{before}classes", classes_in(value) or value
        elif isinstance(value, Mapping) and not before:
            yield from _named(value, f"{name}_")
        else:
            yield name, value


def _is_item(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:  # pyright: ignore[reportUnknownArgumentType]
        return False
    image, label = value  # pyright: ignore[reportUnknownVariableType]
    number = isinstance(label, int) or (isinstance(label, Tensor) and label.ndim == 0)
    return isinstance(image, Tensor) and image.ndim in (2, 3) and number


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, Tensor) else label


def _array(value: Any, source: str) -> Any:
    if isinstance(value, Tensor) and value.layout is torch.strided and not value.is_quantized:
        return value.detach()
    if isinstance(value, list) and value and all(isinstance(each, Tensor) for each in value):  # pyright: ignore[reportUnknownVariableType]
        return _stacked(value, source)  # pyright: ignore[reportUnknownArgumentType]
    try:
        array = np.array(value if isinstance(value, list | tuple) else None)
    except Exception:  # lists of anything
        array = np.array(None)
    if array.dtype.kind not in "uifbUS":
        raise InputError(f"{source} is a {type(value).__name__}; expected a tensor, or a list")
    return array


def _stacked(tensors: list[Tensor], source: str) -> Tensor:
    shapes = sorted({tuple(each.shape) for each in tensors})
    if len(shapes) > 1:
        raise InputError(f"{source}: tensors of several shapes, {shapes[0]} and {shapes[1]}")
    return torch.stack(tensors)


def _content(file: Path) -> Any:
    try:
        with file.open("rb") as opened:
            require_modest_torch(opened)
        with warnings.catch_warnings(action="ignore"):  # old files speak of old ways of storing
            try:
                return torch.load(file, map_location="cpu", mmap=True, weights_only=True)
            except RuntimeError:  # files of before 1.6 cannot be mapped
                return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from None
    except Exception as error:  # a damaged or hostile pickle can fail in any way
        if isinstance(error, Immodest):
            raise InputError(f"{file} would fill the memory, or may: {error}") from None
        if asked := asked_by(error):
            raise InputError(
                f"{file} asks for {asked}, which no tensors need; nothing of it was run; save "
                "its images and labels as tensors, or as .npz"
            ) from None
        raise InputError(f"{file} is damaged or not a file of torch.save") from None
