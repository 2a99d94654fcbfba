"""Tensors in ``.safetensors`` files, which stay on the disk until they are needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from datastill.base.errors import InputError, damaged
from datastill.base.tensor_files import opened
from datastill.datasets.base import FORMATS, NamedArrays


def arrays(file: Path) -> dict[str, Callable[[], Any]]:
    """Return what loads each tensor of a file; its header may name ``classes``, a JSON list.

    Raises:
        InputError: when it is no ``safetensors`` file, or a set that datastill wrote.
    """
    names, header = contents(file)
    if "datastill" in header:
        raise InputError(
            f"{file} is a set that datastill wrote: its images are normalised, and no pixels"
        )
    found: dict[str, Callable[[], Any]] = {name: partial(tensor, file, name) for name in names}
    if "classes" in header:
        found["classes"] = partial(_classes, file, header["classes"])
    return found


def contents(file: Path) -> tuple[list[str], Mapping[str, str]]:
    """Return the names of the tensors in a file, and what its header says.

    Raises:
        InputError: when it is no ``safetensors`` file.
    """
    with damaged(file, "no safetensors file"), opened(file) as found:
        return list(found.keys()), found.metadata() or {}


def tensor(file: Path, name: str) -> Tensor:
    """Map one tensor into memory.

    Raises:
        InputError: when it is damaged.
    """
    with damaged(file), opened(file) as found:
        return found.get_tensor(name)


def _classes(file: Path, said: str) -> np.ndarray:
    try:
        names = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: its names of classes are no JSON list: {error}") from None
    if not isinstance(names, list) or not all(type(name) in (str, int) for name in names):
        raise InputError(f"{file}: its names of classes are no JSON list of texts: {said[:40]}")
    return np.array([str(name) for name in names])


FORMATS.register("safetensors")(NamedArrays((".safetensors",), arrays).format)
