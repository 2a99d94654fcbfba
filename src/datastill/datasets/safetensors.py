"""Tensors in ``.safetensors`` files, which stay on the disk until they are needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from torch import Tensor

from datastill.base.errors import InputError
from datastill.datasets.base import (
    FORMATS,
    Format,
    Found,
    Reading,
    Split,
    file_of,
    found_in,
    has_split,
)

SUFFIX = ".safetensors"


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read one split from a file, or from ``train.safetensors`` and ``test.safetensors``.

    The header may name the classes: ``classes``, a JSON list.

    Raises:
        InputError: for a file that is damaged or holds no images and labels.
    """
    file, own = file_of(path, split, SUFFIX)
    if file is None:
        return None
    names, header = contents(file)
    if "datastill" in header:
        raise InputError(
            f"{file} is a set that datastill wrote: its images are normalised, and no pixels"
        )
    arrays: dict[str, Callable[[], Any]] = {name: partial(tensor, file, name) for name in names}
    if "classes" in header:
        arrays["classes"] = partial(_classes, file, header["classes"])
    return found_in(arrays, split, reading, source=str(file), own=own)


def contents(file: Path) -> tuple[list[str], Mapping[str, str]]:
    """Return the names of the tensors in a file, and what its header says.

    Raises:
        InputError: when it is no ``safetensors`` file.
    """
    try:
        with safe_open(file, framework="pt") as opened:
            return list(opened.keys()), opened.metadata() or {}
    except Exception as error:  # a damaged file can fail in any way
        raise InputError(f"{file} is damaged or no safetensors file: {error}") from None


def tensor(file: Path, name: str) -> Tensor:
    """Map one tensor into memory.

    Raises:
        InputError: when it is damaged.
    """
    try:
        with safe_open(file, framework="pt") as opened:
            return opened.get_tensor(name)
    except Exception as error:  # likewise
        raise InputError(f"{file} is damaged: {error}") from None


def has_test(path: Path, reading: Reading) -> bool:
    """Tell whether there are test images."""
    file, own = file_of(path, "test", SUFFIX)
    return file is not None and (own or has_split(contents(file)[0], "test", reading))


def _classes(file: Path, said: str) -> np.ndarray:
    try:
        return np.array([str(name) for name in json.loads(said)])
    except (ValueError, TypeError) as error:
        raise InputError(f"{file}: its names of classes are no JSON list: {error}") from None


FORMATS.register("safetensors")(
    Format(
        recognises=lambda path: file_of(path, "train", SUFFIX)[0] is not None,
        read=read,
        has_test=has_test,
    )
)
