"""Tensors in ``.pt`` files, in the field's layout of Tiny-ImageNet or a like one."""

from __future__ import annotations

from pathlib import Path

from datastill.base.errors import InputError
from datastill.datasets.base import (
    FORMATS,
    Format,
    Found,
    Reading,
    Split,
    arrays_of,
    file_of,
    found_in,
    has_split,
)

SUFFIXES = (".pt", ".pth")
PROCESSED = "processed"
"""Where torchvision once kept training.pt and test.pt."""


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read one split of ``{classes, images_train, labels_train, images_val, labels_val}``.

    Or of ``train.pt`` and ``test.pt`` in a folder, of which each holds images and labels.

    Raises:
        InputError: for a file that is damaged or holds no images and labels.
    """
    file, own = _file(path, split)
    if file is None:
        return None
    arrays = arrays_of(file)
    try:
        return found_in(arrays, split, reading, source=str(file), own=own)
    except InputError as error:
        if "data" in arrays and reading.images is None:
            raise InputError(
                f"{error}; a synthetic set of another project is read by 'datastill import'"
            ) from None
        raise


def has_test(path: Path, reading: Reading) -> bool:
    """Tell whether there are test images."""
    file, own = _file(path, "test")
    return file is not None and (own or has_split(arrays_of(file), "test", reading))


def _file(path: Path, split: Split) -> tuple[Path | None, bool]:
    if path.is_file():
        return (path, False) if path.suffix.casefold() in SUFFIXES else (None, False)
    for folder in (path, path / PROCESSED):
        for suffix in SUFFIXES:
            file, own = file_of(folder, split, suffix)
            if file is not None:
                return file, own
    return None, True


FORMATS.register("torch")(
    Format(
        recognises=lambda path: _file(path, "train")[0] is not None,
        read=read,
        has_test=has_test,
    )
)
