"""Arrays in MATLAB's ``.mat`` files, of plain names, or in ``train.mat`` and ``test.mat``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datastill.base.errors import InputError, damaged
from datastill.datasets.base import FORMATS, NamedArrays


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
    plain = {k: v for k, v in table.items() if not k.startswith("__")}
    found = {k: v for k, v in plain.items() if isinstance(v, np.ndarray) and v.dtype.kind in KINDS}
    counts = {max(array.shape) for array in found.values() if 0 < array.ndim <= 2 and array.size}
    return {name: partial(_images_first, array, counts) for name, array in found.items()}


def _images_first(array: np.ndarray, counts: set[int]) -> np.ndarray:
    if array.ndim == 2 and array.shape[0] == 1:
        return array[0]  # SciPy writes a list of labels as one row
    if array.ndim > 2 and array.shape[-1] in counts and array.shape[0] not in counts:
        return np.moveaxis(array, -1, 0)
    return array


KINDS = "uifbU"

FORMATS.register("mat")(NamedArrays((".mat",), arrays).format)
