"""TinyImageNet, 200 classes of ImageNet at 64x64, in its official folder."""

from __future__ import annotations

from pathlib import Path

import torch

from datastill.datasets.base import (
    DATASETS,
    Files,
    Found,
    Published,
    Reading,
    Split,
    not_found,
    pictures_in,
)
from datastill.errors import InputError

NORMALISATION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SIZE = (64, 64)
NAME, FOLDER = "TinyImageNet", "tiny-imagenet-200"


class TinyImageNet:
    """Folders ``train`` and ``val``. The labels of its own test images were never published."""

    published = Published(NORMALISATION, size=SIZE)

    def __call__(self, split: Split, path: Path | None, reading: Reading) -> Found:
        """Read one split: ``val`` for tests, as the field does. Classes are WordNet's numbers."""
        root = self.root(path)
        classes = sorted(folder.name for folder in (root / "train").iterdir() if folder.is_dir())
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
        """Return the official folder.

        Raises:
            InputError: naming every place that was looked at.
        """
        start = Path("data") / NAME if path is None else path
        places = [start, start / FOLDER, start / NAME]
        for place in places:
            if (place / "train").is_dir() and (place / "val").is_dir():
                return place
        raise not_found("folders train and val", places, NAME)

    def training(self, root: Path, classes: list[str]) -> list[tuple[Path, int]]:
        """Return the training pictures and their labels."""
        folders = [(root / "train" / name, k) for k, name in enumerate(classes)]
        return [(file, k) for folder, k in folders for file in pictures_in(folder)[0]]

    def validation(self, root: Path, classes: list[str]) -> list[tuple[Path, int]]:
        """Return the validation pictures and their labels, by the official list of them.

        Raises:
            InputError: when the list is missing, or names other pictures or classes.
        """
        listed = root / "val" / "val_annotations.txt"
        try:
            lines = listed.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {listed}: {error}") from None
        known, found = {name: k for k, name in enumerate(classes)}, list[tuple[Path, int]]()
        for number, line in enumerate(lines, 1):
            name, _, rest = line.partition("\t")
            label, file = known.get(rest.partition("\t")[0]), root / "val" / "images" / name
            if label is None or Path(name).name != name or not file.is_file():
                raise InputError(
                    f"{listed}, line {number}: no such picture or class: {line[:60]!r}"
                )
            found.append((file, label))
        return sorted(found)


DATASETS.register(NAME)(TinyImageNet())
