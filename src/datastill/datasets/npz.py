"""Arrays in ``.npz`` files: one's own, Keras', MedMNIST's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

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
from datastill.errors import InputError


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read one split from a file, or from ``train.npz`` and ``test.npz`` in a folder.

    Raises:
        InputError: for a file that is damaged or holds no images and labels.
    """
    file, own = file_of(path, split, ".npz")
    if file is None:
        return None
    arrays: dict[str, Callable[[], np.ndarray]] = {
        name: partial(member, file, name) for name in members(file)
    }
    return found_in(arrays, split, reading, source=str(file), own=own)


def members(file: Path) -> list[str]:
    """Return the names of the arrays in a file.

    Raises:
        InputError: when it is no ``.npz`` file.
    """
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            return list(archive.files)
    except Exception as error:  # a damaged file can fail in any way
        raise _damaged(file, error) from None


def member(file: Path, name: str) -> np.ndarray:
    """Read one array; a pickled one is refused.

    Raises:
        InputError: when it is damaged.
    """
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            return archive[name]
    except Exception as error:  # likewise
        raise _damaged(file, error) from None


def has_test(path: Path, reading: Reading) -> bool:
    """Tell whether there are test images."""
    file, own = file_of(path, "test", ".npz")
    return file is not None and (own or has_split(members(file), "test", reading))


def _damaged(file: Path, error: Exception) -> InputError:
    return InputError(f"{file} is damaged or no .npz file: {error or type(error).__name__}")


FORMATS.register("npz")(
    Format(
        recognises=lambda path: file_of(path, "train", ".npz")[0] is not None,
        read=read,
        has_test=has_test,
    )
)
