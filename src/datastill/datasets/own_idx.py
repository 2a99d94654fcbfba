"""Images in idx files of any name: KMNIST's, EMNIST's, QMNIST's, notMNIST's, one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.datasets.base import (
    FORMATS,
    Format,
    Found,
    Reading,
    Split,
    labels_of,
    pixels_of,
    read_idx,
)
from datastill.datasets.base.names import is_clutter
from datastill.datasets.base.reading import require_no_columns

NAMED = re.compile(r"(.*?)[-_. ]*(image|img|label|lbl)s?[-_. ]*idx[1-4]\b.*", re.IGNORECASE)
"""What a name begins with, and whether the file holds images or labels: mnist-train-images-idx3."""

SPLITS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "test": ("t10k", "test", "testing", "val", "valid", "validation"),
}
QMNIST = 8
"""Columns of QMNIST's labels; the first is the class, the others tell of the writer."""


@dataclass(frozen=True)
class Pair:
    """The files of one split.

    Attributes:
        name: of the dataset, as the files begin; ``""`` where they do not say.
        split: that they are of; of what does not say, ``"train"``.
        word: that says so.
        images: the file of images.
        labels: the file of labels.
    """

    name: str
    split: Split
    word: str
    images: Path
    labels: Path


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read one split from ``*train*images*idx3*``, ``*t10k*labels*idx1*`` and so on.

    The classes are the numbers that occur. Of several datasets in one folder, such as those of
    EMNIST, ``path`` is a file of the one to take.

    Raises:
        InputError: when files are missing, damaged, or of several datasets.
    """
    require_no_columns(reading, path, "idx files")
    pair = chosen(path, split)
    if pair is None:
        return None
    images = pixels_of(read_idx(pair.images, axes=None), str(pair.images))
    labels, classes = labels_of(_classes(pair.labels), None, str(pair.labels))
    if len(images) != len(labels):
        raise InputError(
            f"{pair.images} holds {counted(len(images), 'image')} but {pair.labels} "
            f"{counted(len(labels), 'label')}"
        )
    return Found(images, labels, classes, str(pair.labels))


def chosen(path: Path, split: Split) -> Pair | None:
    """Return the files of a split.

    Raises:
        InputError: see ``read``.
    """
    pairs = list(_pairs(path.parent if path.is_file() else path))
    if path.is_file():
        mine = next((pair.name for pair in pairs if path in (pair.images, pair.labels)), None)
        if mine is None:
            raise InputError(f"{path} has no file of {_other(path)} beside it")
        pairs = [pair for pair in pairs if pair.name == mine]
    names = sorted({pair.name for pair in pairs})
    if len(names) > 1:
        raise InputError(
            f"{path} holds {len(names)} datasets: {', '.join(names)}; name a file of the one to "
            f"take, such as {min(pair.images for pair in pairs)}"
        )
    if not any(pair.split == "train" for pair in pairs):
        raise InputError(f"{path} holds no idx files of training images and of their labels")
    mine = [pair for pair in pairs if pair.split == split]
    mine.sort(key=lambda pair: (pair.word not in SPLITS[split], len(pair.images.parts)))
    words = sorted({pair.word for pair in mine})
    if len(words) > 1 and mine[0].word not in SPLITS[split]:
        raise InputError(
            f"{path} holds {', '.join(words)}: leave one of these for {split}ing there"
        )
    return mine[0] if mine else None


def recognises(path: Path) -> bool:
    """Tell whether there are idx files."""
    if path.is_file():
        return NAMED.fullmatch(path.name) is not None
    return any(True for _ in _files(path))


def _files(folder: Path) -> Iterator[Path]:
    for pattern in ("*idx*", "*/*idx*"):  # torchvision's lie in raw
        for file in sorted(folder.glob(pattern)):
            hidden = any(is_clutter(part) for part in file.relative_to(folder).parts)
            if not hidden and file.is_file() and NAMED.fullmatch(file.name):
                yield file


def _pairs(folder: Path) -> Iterator[Pair]:
    found: dict[tuple[str, ...], dict[str, Path]] = {}
    for file in _files(folder):
        head, what = _parted(file)
        found.setdefault(head, {}).setdefault(what, file)
    for head, files in found.items():
        if len(files) == 2:
            split, word, name = _said(head)
            yield Pair(name, split, word, files["images"], files["labels"])


def _parted(file: Path) -> tuple[tuple[str, ...], str]:
    matched = NAMED.fullmatch(file.name)
    assert matched is not None
    head = tuple(word for word in re.split(r"[-_. ]+", matched[1].casefold()) if word)
    return head, "images" if matched[2].casefold() in ("image", "img") else "labels"


def _said(head: tuple[str, ...]) -> tuple[Split, str, str]:
    for word in head:
        for split, words in SPLITS.items():
            if re.sub(r"\d+k?$", "", word) in words or word in words:  # test10k
                return split, word, "-".join(other for other in head if other != word)
    return "train", "", "-".join(head)


def _other(path: Path) -> str:
    return "labels" if _parted(path)[1] == "images" else "images"


def _classes(file: Path) -> Tensor:
    labels = read_idx(file, axes=None)
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == QMNIST else labels


FORMATS.register("idx")(
    Format(
        recognises=recognises,
        read=read,
        has_test=lambda path, _: chosen(path, "test") is not None,
    )
)
