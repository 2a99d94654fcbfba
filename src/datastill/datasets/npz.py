"""Arrays in ``.npz`` files: one's own, Keras', MedMNIST's."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from datastill.base.errors import InputError, damaged
from datastill.datasets.base import (
    FORMATS,
    SPLIT_NAMES,
    Format,
    Found,
    NamedArrays,
    Reading,
    Split,
    found_in,
    has_split,
)
from datastill.datasets.base.pickles import of_numbers

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
    if path.is_file():
        require_together(path)
    if FILES.file(path, split)[0] is not None:
        return FILES.read(split, path, reading)
    apart = {name: partial(member, each, ALONE) for name, each in _apart(path).items()}
    return found_in(apart, split, reading, source=str(path)) if apart else None


def arrays(file: Path) -> dict[str, Callable[[], np.ndarray]]:
    """Return what loads each array of a file; two without names are images and labels too."""
    found = {name: partial(member, file, name) for name in members(file)}
    called = NAMELESS if set(found) == set(NAMELESS) else {}
    return {**found, **{name: found[place] for place, name in called.items()}}


def members(file: Path) -> list[str]:
    """Return the names of the arrays in a file.

    Raises:
        InputError: when it is no ``.npz`` file.
    """
    with damaged(file, WANTED), file.open("rb") as opened, np.load(opened) as archive:
        return list(archive.files)


def member(file: Path, name: str) -> np.ndarray:
    """Read one array; a pickled one is refused.

    Raises:
        InputError: when it is damaged.
    """
    with (
        damaged(file, WANTED),
        of_numbers(file),
        file.open("rb") as opened,
        np.load(opened) as held,
    ):
        return held[name]


def has_test(path: Path, reading: Reading) -> bool:
    """Tell whether there are test images."""
    if FILES.file(path, "test")[0] is not None:
        return FILES.has_test(path, reading)
    return has_split(_apart(path), "test", reading)


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


def require_together(file: Path) -> None:
    """Refuse a file with one array of a dataset, the others of which lie beside it.

    Raises:
        InputError: saying so.
    """
    if file in _apart(file.parent).values():
        raise InputError(f"{file} holds one array alone: name its folder, which holds the others")


def _recognises(path: Path) -> bool:
    usual = FILES.file(path, "train")[0] is not None
    return usual or has_split(_apart(path), "train", Reading())


WANTED = "no .npz file"
FILES = NamedArrays((".npz",), arrays)
FORMATS.register("npz")(Format(_recognises, read, has_test))
