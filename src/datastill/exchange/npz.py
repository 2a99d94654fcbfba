"""NumPy archives: the layout of KIP and FRePo, and of our own."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datastill.artifacts import replace_file, set_header, writing
from datastill.data import ImageSet
from datastill.errors import InputError
from datastill.exchange.base import (
    FORMATS,
    MOST_VALUES,
    Format,
    Found,
    Reading,
    content_of,
    header_of,
    stem_of,
)

IMAGES, LABELS = ("images", "image", "x", "data"), ("labels", "label", "y")
CHANNELS = (1, 3)


def read(path: Path, options: Reading) -> Found:
    """Read the arrays of images and labels; channels may come first or last.

    Raises:
        InputError: when either is missing, or the archive is damaged or holds Python objects.
    """
    arrays = _arrays(path)
    images, labels = _pick(arrays, IMAGES, path), _pick(arrays, LABELS, path)
    told: tuple[str, ...] = ()
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in CHANNELS and images.shape[3] in CHANNELS:
        images, told = images.movedim(3, 1).contiguous(), ("channels were last, and are now first",)
    return Found(images, labels, header=header_of(arrays.get("datastill"), path), remarks=told)


def write(data: ImageSet, path: Path) -> tuple[str, ...]:
    """Write normalised images, labels and how to undo the normalisation."""
    content = io.BytesIO()
    np.savez(
        content,
        images=data.images.cpu().float().numpy(),
        labels=data.labels.cpu().numpy(),
        mean=np.array(data.domain.mean),
        std=np.array(data.domain.std),
        classes=np.array(data.domain.classes),
        datastill=np.array(json.dumps(set_header(data))),
    )
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content.getvalue())
    return ()


def _arrays(path: Path) -> dict[str, Any]:
    content = content_of(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > 8 * MOST_VALUES:
            raise InputError(f"{path} would unpack to {size:,} bytes, more than any set")
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            wanted = {*IMAGES, *LABELS, "datastill"}
            return {name: archive[name] for name in archive.files if name in wanted}
    except InputError:
        raise
    except Exception as error:  # a damaged archive can fail in any way
        objects = "Object arrays" in str(error)
        fault = "holds Python objects, which are not read" if objects else "is damaged or no .npz"
        raise InputError(f"{path} {fault}") from None


def _pick(arrays: Mapping[str, Any], names: Sequence[str], path: Path) -> Tensor:
    for name in names:
        if name in arrays:
            array = arrays[name]
            if array.dtype.kind not in "fiub" or array.size > MOST_VALUES:
                raise InputError(f"{path}: {name!r} is an array of {array.dtype}, not of numbers")
            return torch.from_numpy(np.ascontiguousarray(array.astype(_native(array.dtype))))
    raise InputError(f"{path} holds no array called {' or '.join(map(repr, names))}")


def _native(kind: np.dtype[Any]) -> np.dtype[Any]:
    # torch has no unsigned integers but bytes, no extended floats and no foreign byte order.
    if kind.kind == "f":
        return np.dtype(np.float64 if kind.itemsize > 4 else np.float32)
    return np.dtype(np.uint8 if kind == np.uint8 else np.int64)


FORMATS.register("npz")(
    Format(
        about="a NumPy archive (KIP, FRePo): normalised arrays",
        recognises=lambda path: path.suffix == ".npz",
        read=read,
        name=lambda data: f"{stem_of(data)}.npz",
        write=write,
    )
)
