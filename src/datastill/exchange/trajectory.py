"""The layout of trajectory matching: images in one file, labels in another beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datastill.errors import InputError
from datastill.exchange.base import FORMATS, Format, Found, Reading, load_torch, tensor_of


def read(path: Path, options: Reading) -> Found:
    """Read ``images_X.pt`` and, from the same folder, ``labels_X.pt`` and perhaps ``lr_X.pt``.

    The images of a run with ZCA whitening are whitened; those in ``images_zca_X.pt`` are not any
    more, and share the labels of X.

    Raises:
        InputError: when either file is missing or no tensor.
    """
    file = path / "images_best.pt" if path.is_dir() else path
    if not file.name.startswith("images_"):
        raise InputError(f"{file} is not called images_... with its labels_... beside it")
    end = file.name.removeprefix("images_").removeprefix("zca_")
    images = tensor_of(load_torch(file), "images", file)
    labels_file = file.with_name(f"labels_{end}")
    labels = tensor_of(load_torch(labels_file), "labels", labels_file)
    rate = file.with_name(f"lr_{end}")
    facts: dict[str, Any] = {"method": "trajectory matching", "protocol": "dsa"}
    if rate.is_file():
        found = tensor_of(load_torch(rate), "learning rate", rate)
        if found.numel() != 1:
            raise InputError(f"{rate} holds {found.numel()} numbers, expected one learning rate")
        facts["learning_rate"] = float(found)
    return Found(images, labels, facts=facts)


FORMATS.register("trajectory")(
    Format(
        about="images_best.pt with labels_best.pt (MTT, TESLA, FTD, DATM)",
        recognises=lambda path: (
            (path.name.startswith("images_") and path.suffix == ".pt")
            or (path / "images_best.pt").is_file()
        ),
        read=read,
    )
)
