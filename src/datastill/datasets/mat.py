"""Arrays in MATLAB's ``.mat`` files, of plain names, or in ``train.mat`` and ``test.mat``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datastill.base.errors import InputError, damaged
from datastill.datasets.base import FORMATS, NamedArrays
from datastill.datasets.base.reading import LEAST


def arrays(file: Path) -> dict[str, Callable[[], np.ndarray]]:
    """Return the arrays of a file.

    MATLAB puts the images of an array last; they are taken from there where labels say so.

    Raises:
        InputError: when it is damaged, or of a version that only HDF5 reads.
    """
    from scipy.io import loadmat

    with damaged(file, "no .mat file"):
        try:
            table: dict[str, Any] = loadmat(file)
        except NotImplementedError:
            raise InputError(
                f"{file} is of MATLAB 7.3; save it by save(..., '-v7'), or its arrays as .npz"
            ) from None
    plain = {k: _texts(v) for k, v in table.items() if not k.startswith("__")}
    found = {k: v for k, v in plain.items() if isinstance(v, np.ndarray) and v.dtype.kind in KINDS}
    if plain and not found:
        raise InputError(
            f"{file} holds structures of MATLAB alone ({', '.join(plain)}), which are not read: "
            "save the arrays in them by their names, images and labels, or as .npz"
        )
    counts = {max(array.shape) for array in found.values() if 0 < array.ndim <= 2 and array.size}
    return {
        name: partial(_images_first, array, counts, f"{name} of {file}")
        for name, array in found.items()
    }


def _texts(value: Any) -> Any:
    # A cell array of texts; or an array of characters, whose rows MATLAB fills up with blanks.
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind == "O" and value.size and min(value.shape) == 1:
        cells = [np.asarray(cell) for cell in value.flatten()]
        if all(cell.dtype.kind == "U" and cell.size <= 1 for cell in cells):
            return np.array([str(cell.item()) if cell.size else "" for cell in cells])
    return np.char.rstrip(value) if value.dtype.kind == "U" else value


def _images_first(array: np.ndarray, counts: set[int], source: str) -> np.ndarray:
    if array.ndim == 2 and array.shape[0] == 1:
        return array[0]  # SciPy writes a list of labels as one row
    if array.ndim < 3 or array.shape[-1] not in counts:
        return array
    if array.shape[0] in counts and (array.ndim == 3 or array.shape[2] >= LEAST):
        if array.ndim == 3 and array.shape[0] == array.shape[-1]:
            raise InputError(
                f"{source}: the first and the last of its axes are both as long as the labels: "
                "which of them counts the images cannot be told; save it as .npz, images first"
            )
        return array
    return np.moveaxis(array, -1, 0)


KINDS = "uifbU"

FORMATS.register("mat")(NamedArrays((".mat",), arrays).format)
