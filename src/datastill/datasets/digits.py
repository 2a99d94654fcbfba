"""The 1,797 handwritten digits that come with scikit-learn: 8x8 pixels, no download."""

from __future__ import annotations

from pathlib import Path

import torch

from datastill.base.errors import InputError
from datastill.datasets.base import DATASETS, Found, Reading, Split

TRAINING = 1347
"""Three quarters of the images; which ones is fixed, by class, once and for all."""


@DATASETS.register("digits")
def digits(split: Split, path: Path | None, reading: Reading) -> Found:
    """Read one split; the data has no official one, so it is made here, the same every time."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    if path is not None:
        raise InputError(f"digits come with scikit-learn; `path={path}` is not needed")
    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(
        pixels, labels, train_size=TRAINING, stratify=labels, shuffle=True, random_state=0
    )
    train_pixels = torch.from_numpy(parts[0]).float() / 16
    mean, std = train_pixels.mean().item(), train_pixels.std().item()
    names = tuple(str(digit) for digit in range(10))
    chosen = 0 if split == "train" else 1
    images = (torch.from_numpy(parts[chosen]).float() / 16).unflatten(1, (1, 8, 8))
    found = torch.from_numpy(parts[2 + chosen]).long()
    return Found(images, found, names, "digits", ((mean,), (std,)), mirror=False)
