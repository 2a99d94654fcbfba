"""Grey images as rows of numbers in CSV files: Kaggle's MNIST and its kin, FER2013."""

from __future__ import annotations

import csv
import io
import math
import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datastill.base.errors import InputError, damaged
from datastill.base.wording import counted
from datastill.datasets.base import (
    FORMATS,
    Format,
    Found,
    Reading,
    Split,
    labels_of,
    numbers_of,
    pixels_of,
    read_table,
    text_of,
)
from datastill.datasets.base.by_name import Pictures
from datastill.datasets.base.csv_heads import Head, ends_of, head_of, is_square, settled
from datastill.datasets.base.layout import layout_of
from datastill.datasets.base.names import SPLIT_WORDS, is_clutter, word_among, word_of_split
from datastill.datasets.base.rows import file_column
from datastill.datasets.base.tree import tree_of_folder

SUFFIX = ".csv"


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read one split: rows of a class and of the pixels of a square, from 0 to 255.

    Columns have names or, as the class comes first or last, none; or there is a column of pixels
    as a text, and one that says of which split a row is. Of several files the name says it.

    Raises:
        InputError: for a file that is damaged or holds anything else.
    """
    heads = chosen(path, reading)
    head = heads.get(split)
    if head is None:
        return None
    if len(head.pixels) == 1:
        pixels, labels = _rows(head, split)
    else:
        pixels, labels = _numbers(_settled(head, heads["train"]))
    images = pixels_of(pixels, str(head.file))
    found, classes = labels_of(numbers_of(labels), None, str(head.file))
    return Found(images, found, classes, str(head.file))


def chosen(path: Path, reading: Reading) -> dict[Split, Head]:
    """Return the file of each split.

    Raises:
        InputError: when several may be meant.
    """
    heads = [head for file in _files(path) if (head := head_of(file, reading)) is not None]
    if path.is_dir() and heads:
        _require_alone(path, [head.file for head in heads])
    labelled = [head for head in heads if head.label is not None]
    if not labelled and reading.labels is not None:
        raise InputError(f"{path}: no table of pixels there has a column {reading.labels!r}")
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


def _require_alone(path: Path, pixels: Sequence[Path]) -> None:
    # HAM10000 has its photos, a table of them, and small copies as pixels.
    tree = tree_of_folder(path)
    pictures, other = Pictures.below(path, tree), None
    for file in _files(path) if tree.has_pictures else ():
        if file not in pixels and file_column(read_table(file), "", pictures) is not None:
            other = f"the pictures of {file.name}, a table: name one of these files"
    with suppress(InputError):
        part = layout_of(tree, str(path)).part("train") if tree.has_pictures else None
        if part is not None and len(part.classes) > 1 and other is None:
            other = f"pictures in folders, such as {next(iter(part.classes))}: name that file, or"
            other += f" move it out of {path}"
    if other is not None:
        raise InputError(f"{path} holds the pixels of {pixels[0].name} and beside them {other}")


def _of_split(heads: Sequence[Head], split: Split, path: Path) -> Head | None:
    for word in SPLIT_WORDS[split]:
        mine = [head for head in heads if word_of_split(head.file.stem) == word]
        if len(mine) > 1:
            names = ", ".join(head.file.name for head in mine)
            raise InputError(f"{path} holds {names}: name the one to take")
        if mine:
            return mine[0]
    return None


def recognises(path: Path) -> bool:
    """Tell whether there are files of pixels."""
    try:
        return any(head_of(file, Reading()) for file in _files(path))
    except InputError:
        return False


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.casefold() == SUFFIX else []
    inside = sorted(path.glob("*")) if path.is_dir() else []
    return [f for f in inside if f.suffix.casefold() == SUFFIX and not is_clutter(f.name)]


def _settled(head: Head, train: Head) -> Head:
    # Test images are read as the training images are, which are more.
    if head == train or not head.unsaid or head.width != train.width:
        return settled(head)
    label = settled(train).label
    assert label is not None
    ends_of(head)
    return head.labelled_at(label)


def _numbers(head: Head) -> tuple[np.ndarray, Sequence[str]]:
    assert head.label is not None
    load: Any = partial(
        np.loadtxt,
        head.file,
        delimiter=head.delimiter,
        skiprows=int(head.names),
        comments=None,
        quotechar='"',
        ndmin=2,
        encoding="utf-8-sig",
    )
    with damaged(head.file), warnings.catch_warnings(action="ignore"):  # of empty lines
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
            image = _values(row[head.pixels[0]])
        except ValueError:
            raise InputError(f"{head.file}, line {line}: its pixels are no numbers") from None
        if (images and len(image) != images[0].size) or not is_square(len(image)):
            raise InputError(
                f"{head.file}, line {line}: {counted(len(image), 'pixel')} are no square"
            )
        images.append(image.reshape(math.isqrt(len(image)), -1))
        labels.append(row[head.label].strip())
    if not images:
        raise InputError(f"{head.file} holds no images")
    return np.stack(images), labels


def _values(text: str) -> np.ndarray:
    try:
        return np.array(text.split(), np.int32)
    except (ValueError, OverflowError):  # from 0 to 1
        return np.array(text.split(), np.float32)


def _lines(head: Head) -> list[tuple[int, list[str]]]:
    with damaged(head.file):
        reader = csv.reader(io.StringIO(text_of(head.file)), delimiter=head.delimiter, strict=True)
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
    rows = _lines(head)
    there = {word_of_split(row[head.split]) for _, row in rows}
    if None in there and len(there) > 1:
        line, odd = next((n, row) for n, row in rows if word_of_split(row[head.split]) is None)
        raise InputError(
            f"{head.file}, line {line}: {odd[head.split]!r} is no split; expected train, val or "
            "test: change it, or remove the row"
        )
    return word_among(there, split)


FORMATS.register("pixels in CSV")(
    Format(
        recognises=recognises,
        read=read,
        has_test=lambda path, reading: "test" in chosen(path, reading),
    )
)
