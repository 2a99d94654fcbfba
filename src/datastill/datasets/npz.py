"""Arrays in ``.npz`` files: one's own, Keras', MedMNIST's."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from datastill.base.errors import InputError
from datastill.datasets.base import (
    FORMATS,
    SPLIT_NAMES,
    Format,
    Found,
    Reading,
    Split,
    file_of,
    found_in,
    has_split,
)

ALONE = "arr_0"
"""What NumPy calls an array that was saved without a name."""

NAMELESS = {"arr_0": "images", "arr_1": "labels"}
"""What two such arrays are, in the order in which everybody saves them."""


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read one split from a file, or from ``train.npz`` and ``test.npz`` in a folder.

    A folder may also hold a file for each array, as those of Kuzushiji-MNIST:
    ``kmnist-train-imgs.npz``, ``kmnist-train-labels.npz``.

    Raises:
        InputError: for a file that is damaged or holds no images and labels.
    """
    file, own = file_of(path, split, ".npz")
    if file is None:
        apart = {name: partial(member, each, ALONE) for name, each in _apart(path).items()}
        return found_in(apart, split, reading, source=str(path)) if apart else None
    names = members(file)
    called = NAMELESS if set(names) == set(NAMELESS) and reading.images is None else {}
    arrays: dict[str, Callable[[], np.ndarray]] = {
        called.get(name, name): partial(member, file, name) for name in names
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
    if file is None:
        return has_split(_apart(path), "test", reading)
    return own or has_split(members(file), "test", reading)


def _apart(path: Path) -> dict[str, Path]:
    # Files of one array without a name, by what they are called from the name of their split on.
    found: dict[str, Path] = {}
    splits = {name for names in SPLIT_NAMES.values() for name in names if name}
    for file in sorted(path.glob("*.npz")) if path.is_dir() else ():
        words = re.split(r"[\W_]+", file.stem.casefold())
        start = next((i for i, word in enumerate(words) if word in splits), None)
        if start is not None and members(file) == [ALONE]:
            name = "_".join(words[start:])
            if name in found:
                raise InputError(
                    f"{path} holds {found[name].name} and {file.name}, arrays of two datasets: put "
                    "those of each into a folder of its own, and name that"
                )
            found[name] = file
    return found


def _recognises(path: Path) -> bool:
    usual = file_of(path, "train", ".npz")[0] is not None
    return usual or has_split(_apart(path), "train", Reading())


def _damaged(file: Path, error: Exception) -> InputError:
    return InputError(f"{file} is damaged or no .npz file: {error or type(error).__name__}")


FORMATS.register("npz")(
    Format(
        recognises=_recognises,
        read=read,
        has_test=has_test,
    )
)
