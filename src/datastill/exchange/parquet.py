"""Parquet files as Hugging Face's datasets writes and reads them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from datastill.data import ImageSet
from datastill.exchange.base import FORMATS, Format, Found, Reading, stem_of
from datastill.exchange.base.tables import names_pictures, parquet_of, read_parquet
from datastill.store import put_file


def read(path: Path, options: Reading) -> Found:
    """Read an image and a label of every row."""
    found, part = read_parquet(path), re.search(r"-(\d+)-of-(\d+)", path.name)
    if part is None or int(part[2]) < 2:
        return found
    told = f"it is one of {int(part[2])} parts; name the folder of the repository to take all"
    return replace(found, remarks=(*found.remarks, told))


def write(data: ImageSet, path: Path) -> tuple[str, ...]:
    """Write pictures, labels and float pixels."""
    put_file(path, parquet_of(data))
    return ()


FORMATS.register("parquet")(
    Format(
        about="a parquet file of Hugging Face datasets: image, label, float pixels",
        recognises=lambda path: path.suffix == ".parquet" and not names_pictures(path),
        read=read,
        name=lambda data: f"{stem_of(data)}.parquet",
        write=write,
        several=False,
    )
)
