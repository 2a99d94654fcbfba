"""SVHN, house numbers seen from the street, in its official MATLAB files (cropped digits)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from datastill.base.errors import InputError, damaged
from datastill.data import Domain
from datastill.datasets.base import DATASETS, Found, Published, Reading, Split, not_found

SVHN = Domain(
    "SVHN",
    (3, 32, 32),
    tuple(str(digit) for digit in range(10)),
    (0.4377, 0.4438, 0.4728),
    (0.1980, 0.2010, 0.1970),
    mirror=False,
)


class Svhn:
    """Two files, ``train_32x32.mat`` and ``test_32x32.mat``; the digit 0 is labelled 10 in them."""

    published = Published.of(SVHN)

    def __call__(self, split: Split, path: Path | None, reading: Reading) -> Found:
        """Read one split; the other file is not opened."""
        root = Path("data") / SVHN.name if path is None else path
        places = [root, root / SVHN.name, root / SVHN.name.casefold()]
        name = f"{split}_32x32.mat"
        file = next((place / name for place in places if (place / name).is_file()), None)
        if file is None:
            raise not_found(f"file {name}", places, SVHN.name)
        pixels, labels = contents(file)
        images = torch.from_numpy(pixels.transpose(3, 2, 0, 1))
        digits = torch.from_numpy(labels.astype(np.int64) % 10)
        normalisation = (SVHN.mean, SVHN.std)
        return Found(images, digits, SVHN.classes, str(file), normalisation, SVHN.mirror)


def contents(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``(32, 32, 3, N)`` bytes and the ``(N,)`` labels from 1 to 10 of a file.

    Raises:
        InputError: when it is damaged, or holds something else.
    """
    from scipy.io import loadmat

    with damaged(file):
        table = loadmat(file, variable_names=["X", "y"])
        pixels, labels = np.asarray(table["X"]), np.asarray(table["y"]).reshape(-1)
    expected = (32, 32, 3, len(labels))
    if pixels.dtype != np.uint8 or pixels.shape != expected or labels.dtype.kind not in "ui":
        raise InputError(
            f"{file} holds {pixels.dtype} of {pixels.shape} and labels of type {labels.dtype}, "
            f"not bytes of {expected} and integers"
        )
    odd = labels[(labels < 1) | (labels > 10)]
    if len(odd):
        raise InputError(f"{file} holds the label {odd[0]}; expected 1 to 10")
    return pixels, labels


DATASETS.register("SVHN")(Svhn())
