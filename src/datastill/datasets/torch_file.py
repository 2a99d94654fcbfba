"""Tensors in ``.pt`` files, in the field's layout of Tiny-ImageNet or a like one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from datastill.base.errors import InputError
from datastill.datasets.base import FORMATS, Found, NamedArrays, Reading, Split, arrays_of, found_in


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read one split of ``{classes, images_train, labels_train, images_val, labels_val}``.

    Or of ``train.pt`` and ``test.pt`` in a folder, of which each holds images and labels.

    Raises:
        InputError: for a file that is damaged or holds no images and labels.
    """
    file, own = FILES.file(path, split)
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


FILES = NamedArrays((".pt", ".pth"), arrays_of, ("", "processed"))
"""Also where torchvision once kept training.pt and test.pt."""

FORMATS.register("torch")(replace(FILES.format, read=read))
