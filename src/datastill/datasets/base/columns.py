"""Tables of Hugging Face: which of their columns hold images and labels, and what is in these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datastill.base.errors import InputError, damaged
from datastill.base.libraries import imported
from datastill.base.registry import folded
from datastill.datasets.base.arrays import labels_of
from datastill.datasets.base.reading import SPLIT_NAMES, Encoded, Found, Published, Split

IMAGE_WORDS = ("image", "img", "images", "picture", "pixels")

LABEL_WORDS = ("label", "labels", "class", "class_id", "target", "category", "fine_label")

NOTHING = "no dataset of Hugging Face"
BINARY = ("binary", "large_binary")
"""Types of columns that may hold files of pictures."""


@dataclass(frozen=True)
class Column:
    """A column of encoded images.

    Attributes:
        table: a ``datasets.Dataset``, or an ``IterableDataset`` that begins anew each time.
        name: of the column.
        length: number of rows.
        source: name of the table.
    """

    table: Any
    name: str
    length: int
    source: str

    def __len__(self) -> int:
        return self.length

    def at(self, rows: Sequence[int]) -> Iterator[Encoded]:
        """Yield the images of ascending rows.

        Raises:
            InputError: for a row without an image, or a damaged file.
        """
        with damaged(self.source, NOTHING):
            for row, value in self._values(rows):
                name = f"image {row} of {self.source}"
                yield Encoded(name, _content(value, name))

    def _values(self, rows: Sequence[int]) -> Iterator[tuple[int, Any]]:
        column = self.table.select_columns([self.name])
        if isinstance(column, library().Dataset):
            yield from ((row, column[row][self.name]) for row in rows)
            return
        wanted = set(rows)
        for row, values in enumerate(column):
            if row in wanted:
                yield row, values[self.name]


def found_in(
    tables: Mapping[str, Any],
    split: Split,
    image: str | None,
    label: str | None,
    *,
    source: str,
) -> Found | None:
    """Find the images and labels of a split.

    Args:
        tables: by the names of the splits.
        split: which.
        image: column of images; None finds it.
        label: likewise.
        source: its name, for messages.

    Raises:
        InputError: for columns that are missing or ambiguous, or labels that are no classes.
    """
    table = table_of(tables, split, source)
    if table is None:
        return None
    features = table.features or {}
    images = _image_column(features, image, source)
    labels = _label_column(features, label, source)
    indices, classes = _labels(table, labels, features[labels], source)
    if type(features[images]).__name__ == "Image":
        table = table.cast_column(images, library().Image(decode=False))
    return Found(Column(table, images, len(indices), source), indices, classes, source)


def as_published(found: Found, published: Published) -> Found:
    """Return the same under the names of classes that are agreed on: some spell them otherwise."""
    labels, classes = found.labels, published.classes or found.classes
    order = {folded(name): k for k, name in enumerate(classes)}
    if not len(order) == len(classes) == len(found.classes):
        classes = found.classes  # the order they are in is all that tells two of one name apart
    elif {folded(name) for name in found.classes} == set(order):
        labels = torch.tensor([order[folded(name)] for name in found.classes])[labels]
    return replace(
        found,
        labels=labels,
        classes=classes,
        normalisation=published.normalisation,
        mirror=published.mirror,
        colour=published.colour,
        size=published.size,
    )


def library() -> Any:
    """Return ``datasets``.

    Raises:
        InputError: where it is not installed.
    """
    return imported("datasets", "datasets of Hugging Face need their library")


def table_of(tables: Mapping[str, Any], split: Split, source: str) -> Any:
    """Return the table of a split; None where there are no test images.

    Raises:
        InputError: where none says that it is of training images.
    """
    found = next((tables[name] for name in SPLIT_NAMES[split] if name in tables), None)
    if found is not None or split == "test":
        return found
    if len(tables) != 1:
        inner = [name for name in tables if Path(source, name).is_dir()]
        way = f"; name the folder of one, {Path(source, inner[0])} say" if inner else ""
        raise InputError(f"{source} has the splits {', '.join(tables)}, none called train{way}")
    return next(iter(tables.values()))


def _image_column(features: Mapping[str, Any], asked: str | None, source: str) -> str:
    def is_image(name: str) -> bool:
        kind = features[name]
        if isinstance(kind, Mapping):  # {'bytes': ..., 'path': ...}, whoever wrote it
            return getattr(kind.get("bytes"), "dtype", None) in BINARY  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]
        return type(kind).__name__ == "Image" or getattr(kind, "dtype", None) in BINARY

    typed = [name for name in features if type(features[name]).__name__ == "Image"]
    named = [name for name in features if folded(name) in map(folded, IMAGE_WORDS)]
    found = [asked] if asked else typed or [name for name in named if is_image(name)]
    return _only(found, [name for name in features if is_image(name)], features, "image", source)


def _label_column(features: Mapping[str, Any], asked: str | None, source: str) -> str:
    typed = [name for name in features if type(features[name]).__name__ == "ClassLabel"]
    known = {folded(name): name for name in features}
    found = [asked] if asked else typed
    if len(found) != 1:
        found = [known[word] for word in map(folded, LABEL_WORDS) if word in known][:1] or found
    return _only(found, list(features), features, "label", source)


def _only(
    found: Sequence[str],
    fit: Sequence[str],
    features: Mapping[str, Any],
    what: str,
    source: str,
) -> str:
    if len(found) == 1 and found[0] in fit:
        return found[0]
    columns = ", ".join(f"{name} ({_kind(kind)})" for name, kind in features.items())
    trouble = (
        f"{found[0]!r} does not hold {what}s"
        if len(found) == 1
        else (f"several columns may hold {what}s" if found else f"no column holds {what}s")
    )
    raise InputError(f"{source}: {trouble}; name one by `{what}s`, of: {columns or 'none'}")


def _kind(feature: Any) -> str:
    return str(getattr(feature, "dtype", None) or type(feature).__name__)


def _labels(table: Any, name: str, feature: Any, source: str) -> tuple[Tensor, tuple[str, ...]]:
    with damaged(source, NOTHING):
        values = [row[name] for row in table.select_columns([name])]
    if any(value is None for value in values):
        raise InputError(f"{source}: some rows have no {name}")
    names = getattr(feature, "names", None) or getattr(
        getattr(feature, "feature", None), "names", None
    )
    classes = None if names is None else tuple(map(str, names))
    if not values:
        return torch.zeros(0, dtype=torch.long), classes or ()
    if len({len(value) for value in values if isinstance(value, list)}) > 1:
        raise InputError(
            f"{source}: {name} holds lists of several lengths, as of several classes; an image is "
            "of one class here; name another column by `labels`"
        )
    return labels_of(np.array(values), classes, f"{name} of {source}")


def _content(value: Any, name: str) -> bytes | Path:
    content = value.get("bytes") if isinstance(value, Mapping) else value
    if isinstance(content, bytes):
        return content
    path = value.get("path") if isinstance(value, Mapping) else None
    if path is None or not Path(path).is_file():
        raise InputError(f"{name} is missing")
    return Path(path)
