"""Datasets of Hugging Face: on the hub, or on the disk in the hub's own formats.

Needs the library ``datasets``, the extra ``hf``.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError, damaged, reason
from datastill.datasets.base import (
    DATASETS,
    FORMATS,
    HUBS,
    Format,
    Found,
    Published,
    Reading,
    Split,
)
from datastill.datasets.base.columns import NOTHING, as_published, found_in, library, table_of
from datastill.datasets.base.names import SPLIT_WORDS, split_word, word_of_split
from datastill.datasets.base.tree import tree_of_folder

TABLES = ("*.parquet", "*/*.parquet", "*/*/*.parquet")
"""Where tables are looked for in a folder."""


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
        found = found_in(tables, split, reading.images, label, source=f"hf:{name}")
        return as_published(found, published) if found and published else found

    def has_test(self, name: str, path: Path | None, reading: Reading) -> bool:
        """Tell whether there are test images."""
        return table_of(self.tables(name, path), "test", name) is not None

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
        datasets = library()
        try:
            return _by_split(datasets.load_dataset(known.name, known.config))
        except Exception as error:  # no network, no such name, no permission, a script
            raise InputError(f"cannot fetch {known.name} from the hub: {reason(error)}") from None


def local(path: Path) -> Mapping[str, Any]:
    """Return the splits of a dataset on the disk: parquet files, or what ``save_to_disk`` wrote.

    Raises:
        InputError: when there is no such dataset, or it is damaged.
    """
    if not path.exists():  # the library would look for that name on the hub
        raise InputError(f"there is no {path}")
    datasets, where = library(), path.absolute()
    with damaged(where, NOTHING):
        if (where / "dataset_dict.json").is_file() or (where / "state.json").is_file():
            return _by_split(datasets.load_from_disk(str(where)))
        # Streamed, so that no copy is made; of a cache no more is left than this folder.
        with _silent(datasets), tempfile.TemporaryDirectory() as cache:
            if where.is_file():
                files = {"train": str(where)}
                return datasets.load_dataset(
                    "parquet", data_files=files, streaming=True, cache_dir=cache
                )
            _require_one(path)
            return _by_split(datasets.load_dataset(str(where), streaming=True, cache_dir=cache))


def _require_one(path: Path) -> None:
    # The library puts the tables of cifar10/ and cifar100/ together, if no card tells them apart.
    places: dict[str, set[Path]] = {}
    for file in (file for mark in TABLES for file in path.glob(mark)):
        own, folder = word_of_split(file.stem), split_word(file.parent.name)
        inside = folder is not None and file.parent != path
        word = own or (folder if inside else None) or SPLIT_WORDS["train"][0]
        places.setdefault(word, set()).add(file.parent.parent if inside else file.parent)
    several = next((sorted(found) for found in places.values() if len(found) > 1), None)
    if several:
        some = " and ".join(str(each) for each in several[:2])
        raise InputError(f"{path} holds tables in {some}, as of several datasets: name one of them")


def is_local(path: Path) -> bool:
    """Tell whether a path looks like a dataset of Hugging Face."""
    if path.is_file():
        return path.suffix == ".parquet" and not _names_files(path, path.parent)
    marks = ("dataset_dict.json", "state.json", *TABLES)
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


HUBS.register("hf")(HuggingFace())
FORMATS.register("Hugging Face")(
    Format(
        recognises=is_local,
        read=lambda split, path, reading: found_in(
            local(path), split, reading.images, reading.labels, source=str(path)
        ),
        has_test=lambda path, _: table_of(local(path), "test", str(path)) is not None,
    )
)
