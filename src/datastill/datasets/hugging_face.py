"""Datasets of Hugging Face: on the hub, or on the disk in the hub's own formats.

Needs the library ``datasets``, the extra ``hf``.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datastill.base.errors import InputError, installing, reason
from datastill.base.registry import plain
from datastill.datasets.base import (
    DATASETS,
    FORMATS,
    HUBS,
    SPLIT_NAMES,
    Encoded,
    Format,
    Found,
    Published,
    Reading,
    Split,
    labels_of,
)
from datastill.datasets.base.layout import tree_of_folder

IMAGE_WORDS = ("image", "img", "images", "picture", "pixels")
LABEL_WORDS = ("label", "labels", "class", "class_id", "target", "category", "fine_label")


@dataclass(frozen=True)
class Known:
    """Where the hub has a dataset that is registered here.

    Attributes:
        name: on the hub.
        config: which of its configurations.
        label: the column of labels, if there are several.
    """

    name: str
    config: str | None = None
    label: str | None = None


KNOWN = {
    "MNIST": Known("ylecun/mnist"),
    "FashionMNIST": Known("zalando-datasets/fashion_mnist"),
    "CIFAR10": Known("uoft-cs/cifar10"),
    "CIFAR100": Known("uoft-cs/cifar100", label="fine_label"),
    "SVHN": Known("ufldl-stanford/svhn", "cropped_digits"),
    "TinyImageNet": Known("zh-plus/tiny-imagenet"),
    "ImageNette": Known("johnowhitaker/imagenette2-320"),
    "ImageNet-1K": Known("ILSVRC/imagenet-1k"),
}


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
        try:
            for row, value in self._values(rows):
                name = f"image {row} of {self.source}"
                yield Encoded(name, _content(value, name))
        except InputError:
            raise
        except Exception as error:  # a damaged file can fail in any way
            raise _damaged(self.source, error) from None

    def _values(self, rows: Sequence[int]) -> Iterator[tuple[int, Any]]:
        column = self.table.select_columns([self.name])
        if isinstance(column, _library().Dataset):
            yield from ((row, column[row][self.name]) for row in rows)
            return
        wanted = set(rows)
        for row, values in enumerate(column):
            if row in wanted:
                yield row, values[self.name]


class HuggingFace:
    """The hub, and copies of its datasets on the disk."""

    def called(self, name: str) -> str:
        """Return the registered spelling, or what comes after the owner's name."""
        if DATASETS.has(name):
            return DATASETS.spelling(name)
        last = Path(name.partition(":")[0]).name
        return re.sub(r"[^\w.-]+", "-", last).strip(".") or "images"

    def read(self, split: Split, name: str, path: Path | None, reading: Reading) -> Found | None:
        """Read one split.

        Args:
            split: which.
            name: ``OWNER/NAME`` or ``OWNER/NAME:CONFIGURATION`` on the hub, a registered name, or
                the path of a local copy.
            path: of a local copy.
            reading: names of columns.
        """
        published = _published(name)
        known = KNOWN.get(self.called(name)) if published else None
        tables = self.tables(name, path)
        label = reading.labels or (known and known.label)
        return found_in(tables, split, reading.images, label, published, source=f"hf:{name}")

    def has_test(self, name: str, path: Path | None, reading: Reading) -> bool:
        """Tell whether there are test images."""
        return _split(self.tables(name, path), "test", name) is not None

    def tables(self, name: str, path: Path | None) -> Mapping[str, Any]:
        """Return the splits of a dataset by their names; what is on the hub is fetched.

        Raises:
            InputError: when there is no such dataset.
        """
        if path is not None:
            return local(path)
        if name and not DATASETS.has(name) and Path(name).exists():
            return local(Path(name))
        if DATASETS.has(name) and DATASETS.spelling(name) not in KNOWN:
            raise InputError(
                f"where the hub has {name} is not known here; name it as there, hf:OWNER/NAME, "
                "or a local copy by `path`"
            )
        known = KNOWN[DATASETS.spelling(name)] if DATASETS.has(name) else _named(name)
        library = _library()
        try:
            return _by_split(library.load_dataset(known.name, known.config))
        except Exception as error:  # no network, no such name, no permission, a script
            raise InputError(f"cannot fetch {known.name} from the hub: {reason(error)}") from None


def local(path: Path) -> Mapping[str, Any]:
    """Return the splits of a dataset on the disk: parquet files, or what ``save_to_disk`` wrote.

    Raises:
        InputError: when there is no such dataset, or it is damaged.
    """
    if not path.exists():  # the library would look for that name on the hub
        raise InputError(f"there is no {path}")
    library, path = _library(), path.absolute()
    try:
        if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
            return _by_split(library.load_from_disk(str(path)))
        # Streamed, so that no copy is made; of a cache no more is left than this folder.
        with _silent(library), tempfile.TemporaryDirectory() as cache:
            if path.is_file():
                files = {"train": str(path)}
                return library.load_dataset(
                    "parquet", data_files=files, streaming=True, cache_dir=cache
                )
            return _by_split(library.load_dataset(str(path), streaming=True, cache_dir=cache))
    except Exception as error:  # a damaged file can fail in any way
        raise _damaged(str(path), error) from None


def is_local(path: Path) -> bool:
    """Tell whether a path looks like a dataset of Hugging Face."""
    if path.is_file():
        return path.suffix == ".parquet" and not _names_files(path, path.parent)
    marks = ("dataset_dict.json", "state.json", "*.parquet", "*/*.parquet", "*/*/*.parquet")
    found = next((each for mark in marks for each in path.glob(mark)), None)
    return found is not None and not (found.suffix == ".parquet" and _names_files(found, path))


def _names_files(path: Path, folder: Path) -> bool:
    # A table of texts and numbers alone holds no images: it may name pictures beside it.
    if not tree_of_folder(folder).has_pictures:
        return False
    try:
        from pyarrow import parquet, types

        kinds: Any = types
        schema: Any = parquet.read_schema(path)
        plain_kinds = (kinds.is_string, kinds.is_large_string, kinds.is_integer, kinds.is_floating)
        return any(kinds.is_string(each.type) for each in schema) and all(
            any(tells(each.type) for tells in plain_kinds) for each in schema
        )
    except Exception:  # told when it is read
        return False


def found_in(
    tables: Mapping[str, Any],
    split: Split,
    image: str | None,
    label: str | None,
    published: Published | None,
    *,
    source: str,
) -> Found | None:
    """Find the images and labels of a split.

    Args:
        tables: by the names of the splits.
        split: which.
        image: column of images; None finds it.
        label: likewise.
        published: what is known of the dataset.
        source: its name, for messages.

    Raises:
        InputError: for columns that are missing or ambiguous, or labels that are no classes.
    """
    table = _split(tables, split, source)
    if table is None:
        return None
    features = table.features or {}
    images = _image_column(features, image, source)
    labels = _label_column(features, label, source)
    indices, classes = _labels(table, labels, features[labels], source)
    table = _undecoded(table, images, features[images])
    column = Column(table, images, len(indices), source)
    if published is None:
        return Found(column, indices, classes, source)
    indices, classes = _as_published(indices, classes, published.classes)
    return Found(
        column,
        indices,
        classes,
        source,
        published.normalisation,
        published.mirror,
        colour=published.colour,
        size=published.size,
    )


def _library() -> Any:
    try:
        import datasets
    except ImportError:
        raise InputError(
            f"datasets of Hugging Face need their library: {installing('hf')}"
        ) from None
    return datasets


@contextmanager
def _silent(library: Any) -> Generator[None]:
    # A folder needs no card, and nobody wants to hear of it.
    logs = [library.utils.logging, import_module("huggingface_hub").utils.logging]
    before = [log.get_verbosity() for log in logs]
    try:
        for log in logs:
            log.set_verbosity_error()
        yield
    finally:
        for log, level in zip(logs, before, strict=True):
            log.set_verbosity(level)


def _published(name: str) -> Published | None:
    return getattr(DATASETS[name], "published", None) if DATASETS.has(name) else None


def _named(name: str) -> Known:
    hub, _, config = name.partition(":")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", hub):
        raise InputError(f"hf:{name} is neither OWNER/NAME on the hub nor a local copy")
    return Known(hub, config or None)


def _by_split(loaded: Any) -> Mapping[str, Any]:
    return loaded if isinstance(loaded, Mapping) else {"train": loaded}


def _split(tables: Mapping[str, Any], split: Split, source: str) -> Any:
    found = next((tables[name] for name in SPLIT_NAMES[split] if name in tables), None)
    if found is not None or split == "test":
        return found
    if len(tables) != 1:
        raise InputError(f"{source} has the splits {', '.join(tables)}, none called train")
    return next(iter(tables.values()))


def _image_column(features: Mapping[str, Any], asked: str | None, source: str) -> str:
    def is_image(name: str) -> bool:
        kind = features[name]
        if isinstance(kind, Mapping):  # {'bytes': ..., 'path': ...}, whoever wrote it
            return getattr(kind.get("bytes"), "dtype", None) in BINARY  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]
        return type(kind).__name__ == "Image" or getattr(kind, "dtype", None) in BINARY

    typed = [name for name in features if type(features[name]).__name__ == "Image"]
    named = [name for name in features if plain(name) in map(plain, IMAGE_WORDS)]
    found = [asked] if asked else typed or [name for name in named if is_image(name)]
    return _only(found, [name for name in features if is_image(name)], features, "image", source)


def _label_column(features: Mapping[str, Any], asked: str | None, source: str) -> str:
    typed = [name for name in features if type(features[name]).__name__ == "ClassLabel"]
    named = [word for word in LABEL_WORDS for name in features if plain(name) == plain(word)]
    known = {plain(name): name for name in features}
    found = [asked] if asked else typed
    if len(found) != 1:
        found = [known[plain(word)] for word in named][:1] or found
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
    try:
        values = [row[name] for row in table.select_columns([name])]
    except Exception as error:  # a damaged file can fail in any way
        raise _damaged(source, error) from None
    if any(value is None for value in values):
        raise InputError(f"{source}: some rows have no {name}")
    names = getattr(feature, "names", None) or getattr(_inner(feature), "names", None)
    classes = None if names is None else tuple(map(str, names))
    if not values:
        return torch.zeros(0, dtype=torch.long), classes or ()
    if len({len(value) for value in values if isinstance(value, list)}) > 1:
        raise InputError(
            f"{source}: {name} holds lists of several lengths, as of several classes; an image is "
            "of one class here; name another column by `labels`"
        )
    return labels_of(np.array(values), classes, f"{name} of {source}")


def _inner(feature: Any) -> Any:
    return getattr(feature, "feature", None)


def _undecoded(table: Any, name: str, feature: Any) -> Any:
    if type(feature).__name__ != "Image":
        return table
    return table.cast_column(name, _library().Image(decode=False))


def _content(value: Any, name: str) -> bytes | Path:
    content = value.get("bytes") if isinstance(value, Mapping) else value
    if isinstance(content, bytes):
        return content
    path = value.get("path") if isinstance(value, Mapping) else None
    if path is None or not Path(path).is_file():
        raise InputError(f"{name} is missing")
    return Path(path)


def _as_published(
    labels: Tensor, classes: tuple[str, ...], published: tuple[str, ...] | None
) -> tuple[Tensor, tuple[str, ...]]:
    # Under the names that are agreed on: the hub spells some of them in other ways.
    if published is None or len(published) != len(classes):
        return labels, classes
    order = {plain(name): k for k, name in enumerate(published)}
    if {plain(name) for name in classes} == set(order):
        return torch.tensor([order[plain(name)] for name in classes])[labels], published
    return labels, published


def _damaged(source: str, error: Exception) -> InputError:
    return InputError(f"{source} is damaged or no dataset of Hugging Face: {reason(error)}")


BINARY = ("binary", "large_binary")

HUBS.register("hf")(HuggingFace())
FORMATS.register("Hugging Face")(
    Format(
        recognises=is_local,
        read=lambda split, path, reading: found_in(
            local(path), split, reading.images, reading.labels, None, source=str(path)
        ),
        has_test=lambda path, _: _split(local(path), "test", str(path)) is not None,
    )
)
