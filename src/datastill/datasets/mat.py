"""Arrays in MATLAB's ``.mat`` files, of plain names."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datastill.base.errors import InputError, reason
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

SUFFIX = ".mat"


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read one split from a file, or from ``train.mat`` and ``test.mat`` in a folder.

    MATLAB puts the images of an array last; they are taken from there where labels say so.

    Raises:
        InputError: for a file that is damaged or holds no images and labels.
    """
    file, own = file_of(path, split, SUFFIX)
    if file is None:
        return None
    arrays = contents(file)
    counts = {max(array.shape) for array in arrays.values() if 0 < array.ndim <= 2 and array.size}
    loaders = {name: partial(_images_first, array, counts) for name, array in arrays.items()}
    return found_in(loaders, split, reading, source=str(file), own=own)


def contents(file: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file by their names.

    Raises:
        InputError: when it is damaged, or of a version that only HDF5 reads.
    """
    from scipy.io import loadmat

    try:
        table: dict[str, Any] = loadmat(file)
    except NotImplementedError:
        raise InputError(
            f"{file} is of MATLAB 7.3; save it by save(..., '-v7'), or its arrays as .npz"
        ) from None
    except Exception as error:  # a damaged file can fail in any way
        raise InputError(f"{file} is damaged or no .mat file: {reason(error)}") from None
    plain = {k: v for k, v in table.items() if not k.startswith("__")}
    return {k: v for k, v in plain.items() if isinstance(v, np.ndarray) and v.dtype.kind in "uifbU"}


def _images_first(array: np.ndarray, counts: set[int]) -> np.ndarray:
    if array.ndim == 2 and array.shape[0] == 1:
        return array[0]  # SciPy writes a list of labels as one row
    if array.ndim > 2 and array.shape[-1] in counts and array.shape[0] not in counts:
        return np.moveaxis(array, -1, 0)
    return array


def has_test(path: Path, reading: Reading) -> bool:
    """Tell whether there are test images."""
    file, own = file_of(path, "test", SUFFIX)
    return file is not None and (own or has_split(contents(file), "test", reading))


FORMATS.register("mat")(
    Format(
        recognises=lambda path: file_of(path, "train", SUFFIX)[0] is not None,
        read=read,
        has_test=has_test,
    )
)
