"""Arrays in a folder of ``.npy`` files, which stay on the disk until they are needed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from datastill.base.errors import InputError, damaged
from datastill.datasets.base import FORMATS, Format, Found, Reading, Split, found_in, has_split
from datastill.datasets.base.pickles import of_numbers


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read one split from files such as ``train_images.npy`` and ``train_labels.npy``.

    Raises:
        InputError: for a file that is damaged, or when there are no images and labels.
    """
    arrays = {name: partial(mapped, file) for name, file in _files(path).items()}
    return found_in(arrays, split, reading, source=str(path))


def mapped(file: Path) -> np.ndarray:
    """Map an array into memory; a pickled one is refused.

    Raises:
        InputError: when the file is damaged, or has another length than its header says.
    """
    with damaged(file, "no .npy file"), of_numbers(file):
        array = np.load(file, mmap_mode="c", allow_pickle=False)
        expected = int(getattr(array, "offset", 0)) + array.nbytes
    if expected != file.stat().st_size:
        raise InputError(
            f"{file} is damaged: {file.stat().st_size} bytes, its header says {expected}"
        )
    return array


def _files(path: Path) -> dict[str, Path]:
    return {file.stem: file for file in sorted(path.glob("*.npy"))}


FORMATS.register("npy")(
    Format(
        recognises=lambda path: path.is_dir() and bool(_files(path)),
        read=read,
        has_test=lambda path, reading: has_split(_files(path), "test", reading),
    )
)
