"""TinyImageNet, 200 classes of ImageNet at 64x64: its official folder, or the field's file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.datasets.base import (
    DATASETS,
    Files,
    Found,
    Published,
    Reading,
    Split,
    arrays_of,
    found_in,
    not_found,
    pictures_in,
)
from datastill.datasets.base.names import is_clutter

NORMALISATION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SIZE = (64, 64)
NAME, FOLDER, TENSORS = "TinyImageNet", "tiny-imagenet-200", "tinyimagenet.pt"


class TinyImageNet:
    """Folders ``train`` and ``val``. The labels of its own test images were never published.

    Or one file of tensors, ``tinyimagenet.pt``, in which DatasetCondensation and its kin keep it.
    """

    published = Published(NORMALISATION, size=SIZE)
    has_columns = True
    """Of a file of tensors the names can be given."""

    def __call__(self, split: Split, path: Path | None, reading: Reading) -> Found:
        """Read one split: ``val`` for tests, as the field does. Classes are WordNet's numbers."""
        root = self.root(path)
        if root.is_file():
            return self.tensors(root, split, reading)
        inside = (root / "train").iterdir()
        classes = sorted(at.name for at in inside if at.is_dir() and not is_clutter(at.name))
        files = self.training(root, classes) if split == "train" else self.validation(root, classes)
        if not files:
            raise InputError(f"{root} holds no pictures for {split}ing")
        return Found(
            Files([file for file, _ in files]),
            torch.tensor([label for _, label in files]),
            tuple(classes),
            str(root),
            NORMALISATION,
            colour=True,
            size=SIZE,
        )

    def root(self, path: Path | None) -> Path:
        """Return the official folder, or the file of tensors.

        Raises:
            InputError: naming every place that was looked at.
        """
        start = Path("data") / NAME if path is None else path
        places = [start, start / FOLDER, start / NAME]
        for place in places:
            if (place / "train").is_dir() and (place / "val").is_dir():
                return place
        files = [place / TENSORS for place in places]
        if path is None:
            files.append(Path("data") / TENSORS)
        elif path.is_file():
            files = [path]
        for file in files:
            if file.is_file():
                return file
        raise not_found(f"folders train and val (or {TENSORS})", places, NAME)

    def tensors(self, file: Path, split: Split, reading: Reading) -> Found:
        """Read one split from a file of tensors.

        Raises:
            InputError: when it holds something else.
        """
        found = found_in(arrays_of(file), split, reading, source=str(file))
        if found is None:
            raise InputError(f"{file} holds no images for tests, such as images_val")
        assert isinstance(found.images, Tensor)
        if tuple(found.images.shape[1:]) != (3, *SIZE):
            size = "x".join(map(str, found.images.shape[1:]))
            raise InputError(f"{file} holds images of {size}, not 3x{SIZE[0]}x{SIZE[1]}")
        return replace(found, normalisation=NORMALISATION)

    def training(self, root: Path, classes: list[str]) -> list[tuple[Path, int]]:
        """Return the training pictures and their labels."""
        folders = [(root / "train" / name, k) for k, name in enumerate(classes)]
        return [(file, k) for folder, k in folders for file in pictures_in(folder)[0]]

    def validation(self, root: Path, classes: list[str]) -> list[tuple[Path, int]]:
        """Return the validation pictures and their labels.

        By the official list of them; or by folders of classes into which many programs have their
        users move them: ``val/CLASS`` or ``val/images/CLASS``.

        Raises:
            InputError: when there is neither, or the list names other pictures or classes.
        """
        for place in (root / "val", root / "val" / "images"):
            folders = [(place / name, k) for k, name in enumerate(classes)]
            found = [(file, k) for folder, k in folders for file in pictures_in(folder)[0]]
            if found:
                _require_known(place, classes)
                return found
        return self.listed(root / "val" / "val_annotations.txt", classes)

    def listed(self, listed: Path, classes: list[str]) -> list[tuple[Path, int]]:
        """Return the validation pictures that the official list names, and their labels.

        Raises:
            InputError: see ``validation``.
        """
        try:
            lines = listed.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"cannot read {listed}: {getattr(error, 'strerror', None) or error}; expected it, "
                f"or a folder for each class in {listed.parent}, such as {classes[0]}"
            ) from None
        known, found = {name: k for k, name in enumerate(classes)}, list[tuple[Path, int]]()
        for number, line in enumerate(lines, 1):
            name, _, rest = line.partition("\t")
            label, file = known.get(rest.partition("\t")[0]), listed.parent / "images" / name
            if label is None or Path(name).name != name or not file.is_file():
                raise InputError(
                    f"{listed}, line {number}: no such picture or class: {line[:60]!r}"
                )
            found.append((file, label))
        return sorted(found)


def _require_known(place: Path, classes: list[str]) -> None:
    inside = sorted(at.name for at in place.iterdir() if at.is_dir() and not is_clutter(at.name))
    for name in inside:
        if name not in classes and pictures_in(place / name)[0]:
            raise InputError(f"{place / name} is a class that has no training pictures")


DATASETS.register("TinyImageNet")(TinyImageNet())
