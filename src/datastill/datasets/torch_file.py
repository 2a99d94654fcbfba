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
    found_in,
    has_split,
)

SUFFIXES = (".pt", ".pth")


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read one split of ``{classes, images_train, labels_train, images_val, labels_val}``.

    Raises:
        InputError: for a file that is damaged or holds no images and labels.
    """
    arrays = arrays_of(path)
    try:
        return found_in(arrays, split, reading, source=str(path))
    except InputError as error:
        if "data" in arrays and reading.images is None:
            raise InputError(
                f"{error}; a synthetic set of another project is read by 'datastill import'"
            ) from None
        raise


FORMATS.register("torch")(
    Format(
        recognises=lambda path: path.is_file() and path.suffix.casefold() in SUFFIXES,
        read=read,
        has_test=lambda path, reading: has_split(arrays_of(path), "test", reading),
    )
)
