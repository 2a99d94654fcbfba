"""ImageNet-1K at a chosen size, and its ten-class subsets: ImageNette and its sisters."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from datastill.base.errors import InputError, damaged
from datastill.datasets.base import (
    DATASETS,
    SPLIT_NAMES,
    Files,
    Found,
    Published,
    Reading,
    Split,
    not_found,
    pictures_in,
    text_of,
)

NORMALISATION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
WHOLE = "ImageNet-1K"
INNER = (Path("ILSVRC/Data/CLS-LOC"), Path("Data/CLS-LOC"))
"""Where the archive of Kaggle has its folders."""
SOLUTION = "LOC_val_solution.csv"
"""What it tells of validation pictures, which there lie in one folder."""


@dataclass(frozen=True)
class ImageNet:
    """Folders ``train`` and ``val`` with a folder for each class, named by WordNet's number.

    Attributes:
        name: of the dataset.
        subset: the WordNet numbers and the names of its classes, in order; None for all there are.
        folders: what its own archive calls its folder.
    """

    name: str
    subset: Mapping[str, str] | None = None
    folders: tuple[str, ...] = ()

    @property
    def published(self) -> Published:
        """What the field agrees on."""
        return Published(NORMALISATION, tuple(self.subset.values()) if self.subset else None)

    def __call__(self, split: Split, path: Path | None, reading: Reading) -> Found:
        """Read one split: ``val`` for tests.

        Raises:
            InputError: when no size is asked for: the pictures have all sizes.
        """
        if reading.size is None:
            raise InputError(
                f"images of {self.name} differ in size; name the size to bring them to, "
                "such as `size=64`"
            )
        root = self.root(split, path)
        numbers = self.numbers(root)
        files = self.files(root, split, numbers)
        if not files:
            raise InputError(
                f"{root} holds no pictures for {split}ing of the classes of {self.name}"
            )
        return Found(
            Files([file for file, _ in files]),
            torch.tensor([label for _, label in files]),
            tuple(self.subset.values() if self.subset else numbers),
            str(root),
            NORMALISATION,
            colour=True,
        )

    def root(self, split: Split, path: Path | None) -> Path:
        """Return the folder that holds ``train`` and ``val``.

        Raises:
            InputError: naming every place that was looked at.
        """
        starts = [Path("data") / self.name, Path("data") / WHOLE] if path is None else [path]
        inner = [Path(), *map(Path, self.folders), Path(self.name), *INNER]
        places = [start / folder for start in starts for folder in inner]
        for place in places:
            if (place / "train").is_dir() and _folder(place, split).is_dir():
                return place
        raise not_found("folders train and val", places, self.name)

    def numbers(self, root: Path) -> list[str]:
        """Return the WordNet numbers of the classes, in the order of the labels.

        Raises:
            InputError: when the folder of a class is missing.
        """
        there = sorted(folder.name for folder in (root / "train").iterdir() if folder.is_dir())
        if self.subset is None:
            return there
        missing = [number for number in self.subset if number not in there]
        if missing:
            raise InputError(f"{root / 'train'} has no folder {missing[0]} of {self.name}")
        return list(self.subset)

    def files(self, root: Path, split: Split, numbers: list[str]) -> list[tuple[Path, int]]:
        """Return the pictures of a split and their labels."""
        folder = _folder(root, split)
        label = {number: k for k, number in enumerate(numbers)}
        inside = [
            (file, k) for number, k in label.items() for file in pictures_in(folder / number)[0]
        ]
        if inside or split == "train":
            return inside
        listed = next(
            (p / SOLUTION for p in (root, *root.parents[:3]) if (p / SOLUTION).is_file()), None
        )
        return [] if listed is None else _listed(listed, folder, label)


def _folder(root: Path, split: Split) -> Path:
    names = SPLIT_NAMES[split] if split == "train" else ("val", "validation")
    return next((root / name for name in names if (root / name).is_dir()), root / names[0])


def _listed(listed: Path, folder: Path, label: Mapping[str, int]) -> list[tuple[Path, int]]:
    found: list[tuple[Path, int]] = []
    with damaged(listed):
        rows = list(csv.reader(text_of(listed).splitlines()))[1:]
    for number, row in enumerate(rows, 2):
        name, boxes = row if len(row) == 2 else ("", "")
        file = folder / f"{name}.JPEG"
        if not boxes or Path(name).name != name:
            raise InputError(f"{listed}, line {number}: expected a picture and its class")
        if boxes.split()[0] in label:
            if not file.is_file():
                raise InputError(f"{listed} lists {file}, which is not there")
            found.append((file, label[boxes.split()[0]]))
    return found


NETTE = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
WOOF = {
    "n02096294": "Australian terrier",
    "n02093754": "Border terrier",
    "n02111889": "Samoyed",
    "n02088364": "beagle",
    "n02086240": "Shih-Tzu",
    "n02089973": "English foxhound",
    "n02087394": "Rhodesian ridgeback",
    "n02115641": "dingo",
    "n02099601": "golden retriever",
    "n02105641": "Old English sheepdog",
}
MEOW = {
    "n02123045": "tabby",
    "n02123159": "tiger cat",
    "n02123394": "Persian cat",
    "n02123597": "Siamese cat",
    "n02124075": "Egyptian cat",
    "n02129165": "lion",
    "n02129604": "tiger",
    "n02128925": "jaguar",
    "n02128757": "snow leopard",
    "n02127052": "lynx",
}
SQUAWK = {
    "n01806143": "peacock",
    "n02007558": "flamingo",
    "n01818515": "macaw",
    "n02051845": "pelican",
    "n02056570": "king penguin",
    "n01614925": "bald eagle",
    "n01843383": "toucan",
    "n01518878": "ostrich",
    "n01860187": "black swan",
    "n01819313": "cockatoo",
}
FRUIT = {
    "n07753275": "pineapple",
    "n07753592": "banana",
    "n07745940": "strawberry",
    "n07747607": "orange",
    "n07749582": "lemon",
    "n07768694": "pomegranate",
    "n07753113": "fig",
    "n07720875": "bell pepper",
    "n07718472": "cucumber",
    "n07742313": "Granny Smith",
}
YELLOW = {
    "n02206856": "bee",
    "n12057211": "yellow lady's slipper",
    "n07753592": "banana",
    "n07749582": "lemon",
    "n12144580": "corn",
    "n04146614": "school bus",
    "n03530642": "honeycomb",
    "n02129165": "lion",
    "n01773157": "garden spider",
    "n01531178": "goldfinch",
}


def _folders(name: str) -> tuple[str, ...]:
    return (name, f"{name}-320", f"{name}-160")


DATASETS.register("ImageNet-1K")(ImageNet(WHOLE))
DATASETS.register("ImageNette")(ImageNet("ImageNette", NETTE, _folders("imagenette2")))
DATASETS.register("ImageWoof")(ImageNet("ImageWoof", WOOF, _folders("imagewoof2")))
DATASETS.register("ImageMeow")(ImageNet("ImageMeow", MEOW))
DATASETS.register("ImageSquawk")(ImageNet("ImageSquawk", SQUAWK))
DATASETS.register("ImageFruit")(ImageNet("ImageFruit", FRUIT))
DATASETS.register("ImageYellow")(ImageNet("ImageYellow", YELLOW))
