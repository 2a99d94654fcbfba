"""The layout of trajectory matching: images in one file, labels in another beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from datastill.exchange.base import (
    FORMATS,
    Format,
    Found,
    Reading,
    Space,
    factor_named,
    is_of_images,
    labels_beside,
    method_named,
    saved,
    says_whitened,
    sets_in,
)

OTHERS = ("DC", "DSA", "DM", "CAFE")
"""Methods whose images others keep so."""


def read(path: Path, options: Reading) -> Found:
    """Read ``images_X.pt`` and, from the same folder, ``labels_X.pt`` and perhaps ``lr_X.pt``.

    The images of a run with ZCA whitening are whitened; those in ``images_zca_X.pt`` are not any
    more, and share the labels of X. Labels that are no shares of classes are logits (DATM).

    Raises:
        InputError: when either file is missing or no tensor.
    """
    pair = saved(path, options.experiment)
    held, method = pair.held, method_named(path, OTHERS)
    space: Space | None = "whitened" if says_whitened(path) else None
    protocol = "dc" if method == "DC" else "dsa"
    facts: dict[str, Any] = {"method": method or "trajectory matching", "protocol": protocol}
    return replace(
        held.found(facts),
        space="pixels" if pair.pixels else space,
        undone=pair.pixels,
        whitens=method != "DataDAM",
        rule="normalised" if method == "DataDAM" else "pixels",
        factor=factor_named(path),
    )


def recognises(path: Path) -> bool:
    """Tell whether a path is a folder with such files, or one of them; x_train.npy too."""
    if path.is_dir():
        return bool(sets_in(path))
    return is_of_images(path) or (path.suffix == ".npy" and labels_beside(path) is not None)


FORMATS.register("trajectory")(
    Format(
        about="images_best.pt with labels_best.pt (MTT, TESLA, FTD, DATM), or without _best",
        recognises=recognises,
        read=read,
    )
)
