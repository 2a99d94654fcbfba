"""STL-10 in its official binary files, whose images lie column by column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from datastill.base.errors import InputError, damaged
from datastill.base.wording import counted
from datastill.datasets.base import FORMATS, Format, Found, Reading, Split, labels_of

SHAPE = (3, 96, 96)
FOLDER = "stl10_binary"
NAMES = "class_names.txt"


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read ``train_X.bin`` and ``train_y.bin``, or those of ``test``; of others nothing.

    Raises:
        InputError: when a file is missing or damaged.
    """
    folder = _folder(path)
    if not (folder / f"{split}_X.bin").is_file() and split == "test":
        return None
    pixels, labels = (_bytes(folder / f"{split}_{what}.bin") for what in ("X", "y"))
    images, odd = divmod(len(pixels), int(np.prod(SHAPE)))
    if odd or images != len(labels):
        raise InputError(
            f"{folder / f'{split}_X.bin'} holds {len(pixels):,} bytes for "
            f"{counted(len(labels), 'label')}, "
            f"not {int(np.prod(SHAPE)):,} for each"
        )
    array = torch.from_numpy(pixels.reshape(-1, *SHAPE)).transpose(2, 3)
    if len(labels) and (labels.min() < 1 or labels.max() > 10):
        raise InputError(f"{folder / f'{split}_y.bin'} holds labels outside of 1 to 10")
    found, classes = labels_of(labels.astype(np.int64) - 1, _names(folder), str(folder))
    return Found(array, found, classes, str(folder))


def _folder(path: Path) -> Path:
    return path / FOLDER if (path / FOLDER / "train_X.bin").is_file() else path


def _bytes(file: Path) -> np.ndarray:
    with damaged(file):
        return np.fromfile(file, np.uint8)


def _names(folder: Path) -> tuple[str, ...]:
    try:
        names = tuple((folder / NAMES).read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError):
        names = ()
    return names if len(names) == 10 else tuple(map(str, range(10)))


FORMATS.register("STL-10")(
    Format(
        recognises=lambda path: path.is_dir() and (_folder(path) / "train_X.bin").is_file(),
        read=read,
        has_test=lambda path, _: (_folder(path) / "test_X.bin").is_file(),
    )
)
