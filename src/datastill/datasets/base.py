"""What a dataset is, and how one is found by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from datastill.data import ImageSet
from datastill.registry import Registry

Split = Literal["train", "test"]
Source = Callable[[Split, Path | None], ImageSet]
"""Reads one split from a folder, or from where such data usually lies."""

DATASETS = Registry[Source]("dataset")


def load_split(name: str, split: Split, path: Path | str | None = None) -> ImageSet:
    """Read one split of a dataset by name, and nothing of the other.

    Args:
        name: of a registered dataset.
        split: ``"train"`` or ``"test"``.
        path: folder that holds the files, for a dataset that has any; by default
            ``./data/NAME`` and where the system's packages put it.

    Raises:
        InputError: for an unknown name, and for files that are missing or not what they should be.
    """
    return DATASETS[name](split, None if path is None else Path(path))


def load_dataset(name: str, path: Path | str | None = None) -> tuple[ImageSet, ImageSet | None]:
    """Read a dataset by name: the training images, and the test images where there are any."""
    return load_split(name, "train", path), load_split(name, "test", path)
