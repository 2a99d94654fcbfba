"""Pictures in folders, one for each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from datastill.datasets.base import (
    FORMATS,
    SPLIT_NAMES,
    SUFFIXES,
    Files,
    Format,
    Found,
    Reading,
    Split,
    pictures_in,
)
from datastill.errors import InputError


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read ``path/train/CLASS`` or ``path/test/CLASS``; of ``path/CLASS`` all are training images.

    The classes are the names of the folders, in alphabetical order. Pictures may lie in folders
    below; hidden files are passed over, other files counted.

    Raises:
        InputError: when there are no such folders, or one holds no pictures.
    """
    root = split_folder(path, split)
    if root is None:
        return None
    folders = class_folders(root)
    files = [pictures_in(folder) for folder in folders]
    for folder, (found, _) in zip(folders, files, strict=True):
        if not found and split == "train":
            raise InputError(
                f"{folder} holds no pictures ({', '.join(SUFFIXES)}); "
                "each folder below is taken for a class"
            )
    labels = torch.tensor([k for k, (found, _) in enumerate(files) for _ in found])
    passed_over = sum((others for _, others in files), Counter[str]())
    facts: dict[str, Any] = {"passed_over": dict(passed_over)} if passed_over else {}
    return Found(
        Files([file for found, _ in files for file in found]),
        labels,
        tuple(folder.name for folder in folders),
        str(root),
        facts=facts,
    )


def split_folder(path: Path, split: Split) -> Path | None:
    """Return the folder of a split: ``path`` itself if it holds training images alone."""
    if split == "test":
        return _named(path, SPLIT_NAMES["test"])
    inner = _named(path, SPLIT_NAMES["train"])
    if inner is None and _named(path, SPLIT_NAMES["test"]) is not None:
        raise InputError(f"{path} has a folder of test images, but none called 'train'")
    return inner or path


def class_folders(root: Path) -> list[Path]:
    """Return the folders below ``root``, in alphabetical order.

    Raises:
        InputError: when there are none, or the folder cannot be read.
    """
    try:
        inside = sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"cannot read {root}: {error.strerror or error}") from None
    folders = [entry for entry in inside if entry.is_dir()]
    loose = [entry for entry in inside if entry.suffix.casefold() in SUFFIXES]
    if loose and folders:
        raise InputError(f"{root} holds pictures beside its folders, such as {loose[0].name}")
    if not folders:
        raise InputError(f"{root} holds no folders; expected a folder of pictures for each class")
    return folders


def _named(path: Path, names: Sequence[str]) -> Path | None:
    return next((path / name for name in names if (path / name).is_dir()), None)


FORMATS.register("folder")(
    Format(
        recognises=Path.is_dir,
        read=read,
        has_test=lambda path, _: split_folder(path, "test") is not None,
        fallback=True,
    )
)
