"""Grey images as rows of numbers in CSV files: Kaggle's MNIST and its kin, FER2013."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datastill.base.errors import InputError, damaged
from datastill.base.registry import folded
from datastill.base.wording import counted
from datastill.datasets.base import (
    FORMATS,
    LABEL_COLUMNS,
    SPLIT_COLUMNS,
    Format,
    Found,
    Reading,
    Split,
    labels_of,
    numbers_of,
    pixels_of,
    text_of,
)
from datastill.datasets.base.names import SPLIT_WORDS, is_clutter, word_of_split

LEAST = 8
SUFFIX = ".csv"


@dataclass(frozen=True)
class Head:
    """What the first line of a file says.

    Attributes:
        file: that it is of.
        names: of the columns, if it has names.
        label: the place of the classes; None if it has none.
        pixels: the places of the pixels, or that of a text of them.
        split: the place of what says of which split a row is; None if nothing does.
    """

    file: Path
    names: bool
    label: int | None
    pixels: tuple[int, ...]
    split: int | None = None

    @property
    def side(self) -> int:
        """The pixels of a side."""
        return math.isqrt(len(self.pixels))


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read one split: rows of a class and of the pixels of a square, from 0 to 255.

    Columns have names or, as the class comes first, none; or there is a column of pixels as a text,
    and one that says of which split a row is. Of several files in a folder the name says it.

    Raises:
        InputError: for a file that is damaged or holds anything else.
    """
    head = chosen(path, reading).get(split)
    if head is None:
        return None
    rows = _rows(head, split) if len(head.pixels) == 1 else None
    if rows is None:
        pixels, labels = _numbers(head)
    else:
        pixels, labels = rows
    images = pixels_of(pixels, str(head.file))
    found, classes = labels_of(numbers_of(labels), None, str(head.file))
    return Found(images, found, classes, str(head.file))


def chosen(path: Path, reading: Reading) -> dict[Split, Head]:
    """Return the file of each split.

    Raises:
        InputError: when several may be meant.
    """
    heads = [head for file in _files(path) if (head := head_of(file, reading)) is not None]
    labelled = [head for head in heads if head.label is not None]
    if not labelled:
        raise InputError(f"{path}: no column is known to hold classes; name it by `labels`")
    if len(labelled) == 1 and labelled[0].split is not None:
        return dict.fromkeys(_splits_in(labelled[0]), labelled[0])
    if path.is_file() or len(labelled) == 1:
        return {"train": labelled[0]}
    found: dict[Split, Head] = {
        split: head for split in SPLIT_WORDS if (head := _of_split(labelled, split, path))
    }
    if "train" not in found:
        names = ", ".join(head.file.name for head in labelled)
        raise InputError(f"{path} holds {names}, of which none is called train; name one of them")
    return found


def _of_split(heads: Sequence[Head], split: Split, path: Path) -> Head | None:
    for word in SPLIT_WORDS[split]:
        mine = [head for head in heads if word_of_split(head.file.stem) == word]
        if len(mine) > 1:
            names = ", ".join(head.file.name for head in mine)
            raise InputError(f"{path} holds {names}: name the one to take")
        if mine:
            return mine[0]
    return None


def head_of(file: Path, reading: Reading) -> Head | None:
    """Return what the first line of a file says; None if it has no pixels.

    Raises:
        InputError: when it cannot be read.
    """
    with damaged(file), file.open(encoding="utf-8-sig", newline="") as opened:
        try:
            lines = [opened.readline(2**20), opened.readline(2**20)]
        except UnicodeDecodeError:
            return None
    first, second = ([v.strip() for v in next(csv.reader([line]), [])] for line in lines)
    if _all_numbers(first):
        label = None if _is_square(len(first)) else 0
        return _head(file, names=False, label=label, count=len(first))
    known = [reading.labels] if reading.labels else list(LABEL_COLUMNS)
    plains = [name if reading.labels else folded(name) for name in first]
    label = next((plains.index(name) for name in known if name in plains), None)
    split = next((i for i, name in enumerate(first) if folded(name) in SPLIT_COLUMNS), None)
    text = next((i for i, v in enumerate(second) if _is_square(len(v.split())) and " " in v), None)
    if text is not None:
        return Head(file, True, label, (text,), split)
    return _head(file, names=True, label=label, count=len(first))


def recognises(path: Path) -> bool:
    """Tell whether there are files of pixels."""
    try:
        return any(head_of(file, Reading()) for file in _files(path))
    except InputError:
        return False


def _head(file: Path, *, names: bool, label: int | None, count: int) -> Head | None:
    pixels = tuple(i for i in range(count) if i != label)
    return Head(file, names, label, pixels) if _is_square(len(pixels)) else None


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.casefold() == SUFFIX else []
    inside = sorted(path.glob("*")) if path.is_dir() else []
    return [f for f in inside if f.suffix.casefold() == SUFFIX and not is_clutter(f.name)]


def _is_square(count: int) -> bool:
    return math.isqrt(count) >= LEAST and math.isqrt(count) ** 2 == count


def _all_numbers(values: Sequence[str]) -> bool:
    try:
        return bool(np.isfinite([float(value) for value in values]).all()) and bool(values)
    except ValueError:
        return False


def _numbers(head: Head) -> tuple[np.ndarray, Sequence[str]]:
    assert head.label is not None
    load: Any = partial(
        np.loadtxt, head.file, delimiter=",", skiprows=int(head.names), comments=None, ndmin=2
    )
    with damaged(head.file):
        try:
            pixels = load(dtype=np.int32, usecols=head.pixels)
        except ValueError:  # from 0 to 1
            pixels = load(dtype=np.float32, usecols=head.pixels)
        labels = load(dtype=str, usecols=[head.label])[:, 0]
    return pixels.reshape(-1, head.side, head.side), [label.strip() for label in labels.tolist()]


def _rows(head: Head, split: Split) -> tuple[np.ndarray, Sequence[str]]:
    # Pixels as a text in one column, as FER2013 has them.
    assert head.label is not None
    images: list[np.ndarray] = []
    labels: list[str] = []
    word = _word(head, split)
    for line, row in _lines(head):
        if head.split is not None and word_of_split(row[head.split]) != word:
            continue
        try:
            image = np.array(row[head.pixels[0]].split(), np.int32)
        except ValueError:
            raise InputError(f"{head.file}, line {line}: its pixels are no numbers") from None
        if (images and len(image) != images[0].size) or not _is_square(len(image)):
            raise InputError(
                f"{head.file}, line {line}: {counted(len(image), 'pixel')} are no square"
            )
        images.append(image.reshape(math.isqrt(len(image)), -1))
        labels.append(row[head.label].strip())
    if not images:
        raise InputError(f"{head.file} holds no images")
    return np.stack(images), labels


def _lines(head: Head) -> list[tuple[int, list[str]]]:
    with damaged(head.file):
        reader = csv.reader(io.StringIO(text_of(head.file)), strict=True)
        rows = [(reader.line_num, row) for row in reader if row][1:]
    width = max(head.label or 0, head.split or 0, *head.pixels) + 1
    short = next((line for line, row in rows if len(row) < width), None)
    if short is not None:
        raise InputError(f"{head.file}, line {short}: too few values")
    return rows


def _splits_in(head: Head) -> list[Split]:
    return [split for split in SPLIT_WORDS if _word(head, split) is not None]


def _word(head: Head, split: Split) -> str | None:
    if head.split is None:
        return None
    there = {word_of_split(row[head.split]) for _, row in _lines(head)}
    return next((word for word in SPLIT_WORDS[split] if word in there), None)


FORMATS.register("pixels in CSV")(
    Format(
        recognises=recognises,
        read=read,
        has_test=lambda path, reading: "test" in chosen(path, reading),
    )
)
