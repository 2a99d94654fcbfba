"""The 1,797 handwritten digits that come with scikit-learn: 8x8 pixels, no download."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from datastill.base.errors import InputError
from datastill.datasets.base import DATASETS, Found, Reading, Split

TRAINING = 1347
"""Three quarters of the images; which ones is fixed, by class, once and for all."""
FILE = "datasets/data/digits.csv.gz"
"""Where scikit-learn has them: a row of pixels and label for each image."""


@DATASETS.register("digits")
def digits(split: Split, path: Path | None, reading: Reading) -> Found:
    """Read one split; the data has no official one, so it is made here, the same every time."""
    if path is not None:
        raise InputError(f"digits come with scikit-learn; `path={path}` is not needed")
    table = _table()
    labels = table[:, -1].astype(np.int64)
    training, testing = _rows(labels)
    pixels = torch.from_numpy(table[training, :-1]).float() / 16
    mean, std = pixels.mean().item(), pixels.std().item()
    names = tuple(str(digit) for digit in range(10))
    if split != "train":
        pixels = torch.from_numpy(table[testing, :-1]).float() / 16
    found = torch.from_numpy(labels[training if split == "train" else testing])
    images = pixels.unflatten(1, (1, 8, 8))
    return Found(images, found, names, "digits", ((mean,), (std,)), mirror=False)


def _table() -> NDArray[np.float64]:
    # Read from where it lies: to import scikit-learn takes a second, a fourth of a short command.
    spec = find_spec("sklearn")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (file := Path(folder, FILE)).is_file():
            return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits  # of a version that has it elsewhere

    read: Any = load_digits()
    return np.column_stack([read.data, read.target])


def _rows(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows for training and those for tests.

    They are, and are drawn like, those of scikit-learn's ``train_test_split`` by class from seed 0:
    each class gives its share, rounded down, and those with the largest rests give one more.
    """
    rng = np.random.RandomState(0)  # whose draws stay as they are
    counts = np.bincount(labels)
    shares = counts / counts.sum() * TRAINING
    taken = np.floor(shares).astype(int)
    rests = shares - taken
    for rest in np.unique(rests)[::-1]:
        alike, lacking = np.flatnonzero(rests == rest), TRAINING - int(taken.sum())
        if lacking:
            taken[rng.choice(alike, min(len(alike), lacking), replace=False)] += 1
    classes = [rng.permutation(np.flatnonzero(labels == k)) for k in range(len(counts))]
    training = [rows[:count] for rows, count in zip(classes, taken, strict=True)]
    testing = [rows[count:] for rows, count in zip(classes, taken, strict=True)]
    return rng.permutation(np.concatenate(training)), rng.permutation(np.concatenate(testing))
