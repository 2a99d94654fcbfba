"""Hugging Face's tables of images, as parquet."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datastill.base.errors import InputError, damaged
from datastill.base.libraries import imported
from datastill.base.wording import readable
from datastill.data import ImageSet
from datastill.data.pixels import ready
from datastill.datasets import FORMATS as READERS
from datastill.datasets.base import Encoded
from datastill.exchange.base.contract import Found, content_of, header_of
from datastill.exchange.base.labels import labels_in
from datastill.exchange.base.pictures import decoded, drawable, encode
from datastill.exchange.base.tensors import MOST_VALUES
from datastill.store import set_header

IMAGES = ("image", "img", "picture", "images", "pixels", "png", "jpg", "jpeg", "webp")
LABELS = ("label", "labels", "class_id", "fine_label", "target", "class", "category", "cls")
"""Columns; the last ones of both are those of webdataset."""
SOFT = ("soft_label", "soft_labels", "logits", "teacher_logits", "probs", "probabilities")
"""Columns of a number for every class: they say more than a class beside them."""


def names_pictures(path: Path) -> bool:
    """Tell whether a table has no pictures, but the names of some that lie beside it."""
    return READERS["table of labels"].recognises(path)


def _require_apart(names: Sequence[str]) -> None:
    (name, times), *_ = Counter(names).most_common(1)
    if times > 1:
        raise InputError(
            f"{times} classes are called {name!r}: tables of Hugging Face have one class of a "
            "name; export to npz or pt keeps them apart"
        )


def parquet_of(data: ImageSet) -> bytes:
    """Return a set as a parquet file that ``datasets.load_dataset`` understands.

    Columns: ``image`` (PNG, for people), ``label`` (with the names of the classes),
    ``pixel_values`` (float32, normalised: the set itself), and ``soft_label`` where there is one.

    Raises:
        InputError: when the library is not installed, or pictures cannot show the channels.
    """
    library, parquet = _libraries()
    _require_apart(data.domain.classes)
    features = {
        "image": library.Image(),
        "label": library.ClassLabel(names=list(data.domain.classes)),
        "pixel_values": library.Array3D(data.domain.shape, "float32"),
    }
    pictures = [{"bytes": encode(image), "path": None} for image in drawable(data)]
    columns: dict[str, Any] = {
        "image": pictures,
        "label": data.hard_labels.tolist(),
        "pixel_values": ready(data.images).cpu().float().numpy(),
    }
    if data.labels.ndim == 2:
        features["soft_label"] = library.List(library.Value("float32"))
        columns["soft_label"] = data.labels.cpu().float().tolist()
    table = library.Dataset.from_dict(columns, features=library.Features(features)).data.table
    header = {b"datastill": json.dumps(set_header(data)).encode()}
    content = io.BytesIO()
    parquet.write_table(table.replace_schema_metadata({**table.schema.metadata, **header}), content)
    return content.getvalue()


def read_parquet(*paths: Path) -> Found:
    """Read images and labels from a parquet file, or from its parts in order; no path is followed.

    Raises:
        InputError: when columns are missing or damaged, or parts differ.
    """
    _, parquet = _libraries()
    tables = [_opened(parquet, path) for path in paths]
    path = paths[0]
    meta = {k.decode(errors="replace"): v for k, v in (tables[0].schema.metadata or {}).items()}
    header = header_of(_decoded(meta.get("datastill")), path)
    with damaged(path, "its columns are not as its header says", why=False):
        return _found(_together(tables, paths), header, _features(meta), path)


def _opened(parquet: Any, path: Path) -> Any:
    with damaged(path, "no parquet file", why=False):
        return _table(parquet, content_of(path), path)


def _together(tables: list[Any], paths: Sequence[Path]) -> Any:
    if len(tables) == 1:
        return tables[0]
    from pyarrow import concat_tables

    for table, path in zip(tables, paths, strict=True):
        if (
            table.schema.types != tables[0].schema.types
            or table.schema.names != tables[0].schema.names
        ):
            raise InputError(f"{path} has other columns than {paths[0]}")
    return concat_tables(table.replace_schema_metadata(None) for table in tables)


def _table(parquet: Any, content: bytes, path: Path) -> Any:
    file = parquet.ParquetFile(io.BytesIO(content))
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    size = sum(group.total_byte_size for group in groups)
    if size > 4 * MOST_VALUES or file.metadata.num_rows > MOST_VALUES:
        raise InputError(f"{path} would unpack to {size:,} bytes, more than any set")
    meta: Mapping[bytes, bytes] = file.schema_arrow.metadata or {}
    known, there = {*IMAGES, *LABELS, "pixel_values", *SOFT}, file.schema_arrow.names
    for names in (IMAGES, (*LABELS, *SOFT)) if b"datastill" not in meta else ():
        if not set(names).intersection(there):
            told = ", ".join(filter(readable, there[:6])) or "none"
            wanted = " or ".join(map(repr, names[:3]))
            raise InputError(f"{path} has no column {wanted}; it has {told}: call one of these so")
    return file.read([name for name in there if name in known])


def _found(
    table: Any, header: Mapping[str, Any] | None, features: Mapping[str, Any], path: Path
) -> Found:
    if header is not None and "pixel_values" in table.column_names:
        shape = tuple(header["domain"]["shape"])
        flat = _numbers(table["pixel_values"]).astype(np.float32)
        images = torch.from_numpy(flat.reshape(table.num_rows, *shape))
        return Found(images, _labels(table, path), header=header)
    image = _column(table, IMAGES, path)
    soft = _soft(table)
    label = soft or _column(table, LABELS, path)
    named = [features.get(name, {}).get("names") for name in LABELS]
    given = next(filter(None, named), None) if soft else features.get(label, {}).get("names")
    known = tuple(map(str, given)) if isinstance(given, list) else None
    labels, classes = _labels_in(table, known, path)
    if not table.num_rows:
        raise InputError(f"{path} holds no images")
    return Found(
        decoded(Column(table[image], f"{path}, {image}")),
        labels,
        space="pixels",
        classes=classes,
        logits=soft is not None and "logits" in soft,
    )


@dataclass(frozen=True)
class Column:
    """A column of pictures; ``name`` says where it is."""

    values: Any
    name: str

    def __len__(self) -> int:
        return len(self.values)

    def at(self, rows: Sequence[int]) -> Iterator[Encoded]:
        """Yield the pictures of some rows.

        Raises:
            InputError: for what is none.
        """
        for row in rows:
            value, name = self.values[row].as_py(), f"{self.name} {row}"
            content = value.get("bytes") if isinstance(value, dict) else value
            if isinstance(content, list):
                raise InputError(
                    f"{name} holds numbers and no encoded picture: save the columns in Python by "
                    "np.savez('own.npz', images=..., labels=...), and name that"
                )
            if not isinstance(content, bytes):
                raise InputError(f"{name} holds no picture; paths to other files are not followed")
            yield Encoded(name, content)


def _labels_in(
    table: Any, classes: tuple[str, ...] | None, path: Path
) -> tuple[Tensor, tuple[str, ...] | None]:
    if _soft(table) is None:
        values = table[_column(table, LABELS, path)].to_pylist()
        if values and all(isinstance(value, str) for value in values):
            return labels_in(values, classes, path)
    return _labels(table, path), classes


def _labels(table: Any, path: Path) -> Tensor:
    if soft := _soft(table):
        flat = _numbers(table[soft]).astype(np.float32)
        return torch.from_numpy(flat.reshape(table.num_rows, -1))
    name = _column(table, LABELS, path)
    values = table[name].to_pylist()
    if not all(type(value) in (int, float) for value in values):
        raise InputError(f"{path}: column {name!r} holds labels that are no numbers, nor all names")
    return torch.tensor(values)


def _soft(table: Any) -> str | None:
    # Their type may be Hugging Face's own; what is no list says nothing of every class.
    types = {field.name: getattr(field.type, "storage_type", field.type) for field in table.schema}
    return next((name for name in SOFT if hasattr(types.get(name), "value_type")), None)


def _column(table: Any, names: tuple[str, ...], path: Path) -> str:
    for name in names:
        if name in table.column_names:
            return name
    raise InputError(f"{path} has no column {' or '.join(map(repr, names[:3]))}")


def _numbers(column: Any) -> Any:
    # Nested lists, perhaps under Hugging Face's own type, down to the numbers in them.
    array = column.combine_chunks()
    array = getattr(array, "storage", array)
    while hasattr(array, "flatten") and hasattr(array.type, "value_type"):
        array = array.flatten()
    return array.to_numpy(zero_copy_only=False)


def _features(meta: Mapping[str, bytes]) -> Mapping[str, Any]:
    try:
        return dict(json.loads(meta["huggingface"])["info"]["features"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


def _libraries() -> tuple[Any, Any]:
    needing = "parquet and hub need Hugging Face's datasets"
    return imported("datasets", needing), imported("pyarrow.parquet", needing)
