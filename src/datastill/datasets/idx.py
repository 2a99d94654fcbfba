"""Datasets in idx files, the format of MNIST: FashionMNIST and MNIST."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.data import Domain
from datastill.datasets.base import DATASETS, Found, Published, Reading, Split, not_found, read_idx

PREFIX: dict[Split, str] = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class IdxSource:
    """A dataset in four idx files, gzipped or not.

    Attributes:
        domain: the normalisation is the one that the field's code uses for this dataset.
        package: folder in which Debian's package puts the files, where there is one.
    """

    domain: Domain
    package: Path | None = None

    def __call__(self, split: Split, path: Path | None, reading: Reading) -> Found:
        """Read one split; of the other no file is opened."""
        places = self.places(path)
        images_file = _find(f"{PREFIX[split]}-images", "idx3", places, self.domain.name)
        labels_file = _find(f"{PREFIX[split]}-labels", "idx1", places, self.domain.name)
        pixels, labels = read_idx(images_file, axes=3), read_idx(labels_file, axes=1)
        if len(pixels) != len(labels):
            raise InputError(
                f"{images_file} holds {counted(len(pixels), 'image')} but {labels_file} "
                f"{counted(len(labels), 'label')}"
            )
        if tuple(pixels.shape[1:]) != self.domain.shape[1:]:
            expected = "x".join(map(str, self.domain.shape[1:]))
            found = "x".join(map(str, pixels.shape[1:]))
            raise InputError(f"{images_file} holds images of {found}, not {expected}")
        return Found(
            pixels[:, None],
            labels.long(),
            self.domain.classes,
            str(labels_file),
            (self.domain.mean, self.domain.std),
            self.domain.mirror,
        )

    @property
    def published(self) -> Published:
        """What the field agrees on."""
        return Published.of(self.domain)

    def places(self, path: Path | None) -> list[Path]:
        """Every folder to look in, in order."""
        roots = [Path("data") / self.domain.name] if path is None else [path]
        if path is not None:
            roots.append(path / self.domain.name)
        folders = [folder for root in roots for folder in (root, root / "raw")]
        return folders + ([self.package] if path is None and self.package else [])


def _find(stem: str, kind: str, places: list[Path], dataset: str) -> Path:
    names = [f"{stem}{dot}{kind}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
    for place in places:
        for name in names:
            if (place / name).is_file():
                return place / name
    raise not_found(f"file {names[0]} or {names[1]}", places, dataset)


FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
FASHION = Domain("FashionMNIST", (1, 28, 28), FASHION_CLASSES, (0.2861,), (0.3530,))
DIGITS = tuple(str(digit) for digit in range(10))
MNIST = Domain("MNIST", (1, 28, 28), DIGITS, (0.1307,), (0.3081,), mirror=False)

DATASETS.register("FashionMNIST")(IdxSource(FASHION, Path("/usr/share/datasets/fashion-mnist")))
DATASETS.register("MNIST")(IdxSource(MNIST, Path("/usr/share/datasets/mnist")))
