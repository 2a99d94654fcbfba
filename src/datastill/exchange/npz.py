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

from datastill.base.errors import InputError
from datastill.base.wording import readable
from datastill.data import ImageSet
from datastill.data.pixels import ready
from datastill.datasets.base.names import classes_in, keys_of_classes
from datastill.datasets.base.pickles import of_numbers
from datastill.datasets.npz import NAMELESS, require_together
from datastill.exchange.base import (
    FORMATS,
    IMAGE_WORDS,
    LABEL_WORDS,
    MOST_VALUES,
    NORMALISATION,
    RATE_WORDS,
    Format,
    Found,
    Reading,
    content_of,
    factor_named,
    header_of,
    keyed,
    labels_in,
    left_out,
    normalisation_of,
    rate_of,
    says_logits,
    says_whitened,
    stem_of,
)
from datastill.store import put_file, set_header


def read(path: Path, options: Reading) -> Found:
    """Read the arrays of images and labels.

    Raises:
        InputError: when either is missing, or the archive is damaged or holds Python objects.
    """
    arrays = _arrays(path)
    images, (labels, classes) = _pick(arrays, IMAGE_WORDS, path), _labels(arrays, path)
    told = left_out(arrays, keyed(arrays, IMAGE_WORDS)[0])
    facts, rate = dict[str, Any](), None
    for name in keyed(arrays, RATE_WORDS)[:1]:
        rate, lost = rate_of(_pick(arrays, [name], path), path)
        facts, told = (
            ({} if rate is None else {"learning_rate": rate, "protocol": "dsa"}),
            (*told, *lost),
        )
    header = header_of(arrays.get("datastill"), path)
    return Found(
        images,
        labels,
        header=header,
        space="whitened" if header is None and says_whitened(path) else None,
        logits=rate is not None or says_logits(keyed(arrays, LABEL_WORDS)[0]),
        factor=factor_named(path),
        classes=classes,
        normalisation=normalisation_of(arrays, path),
        facts=facts,
        remarks=told,
    )


def write(data: ImageSet, path: Path) -> tuple[str, ...]:
    """Write normalised images, labels and how to undo the normalisation."""
    content = io.BytesIO()
    np.savez(
        content,
        images=ready(data.images).cpu().float().numpy(),
        labels=data.labels.cpu().numpy(),
        mean=np.array(data.domain.mean),
        std=np.array(data.domain.std),
        classes=np.array(data.domain.classes),
        datastill=np.array(json.dumps(set_header(data))),
    )
    put_file(path, content.getvalue())
    return ()


def _arrays(path: Path) -> dict[str, Any]:
    content = content_of(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > 8 * MOST_VALUES:
            raise InputError(f"{path} would unpack to {size:,} bytes, more than any set")
        with of_numbers(path), np.load(io.BytesIO(content), allow_pickle=False) as archive:
            names = [keyed(archive.files, each) for each in (IMAGE_WORDS, LABEL_WORDS, RATE_WORDS)]
            wanted = ["datastill", *NORMALISATION, *(name for found in names for name in found[:1])]
            wanted += keys_of_classes(archive.files)[:1]
            if set(archive.files) == set(NAMELESS):  # np.savez(FILE, images, labels)
                return {NAMELESS[name]: archive[name] for name in archive.files}
            held = {name: archive[name] for name in wanted if name in archive.files}
            return {**dict.fromkeys(archive.files), **held}
    except InputError:
        raise
    except Exception:  # a damaged archive can fail in any way
        raise InputError(f"{path} is damaged or no .npz") from None


def _names(arrays: Mapping[str, Any]) -> tuple[str, ...] | None:
    for name in keys_of_classes(arrays)[:1]:
        array = arrays[name]
        if array.dtype.kind in "US" and array.ndim == 1:
            return classes_in(array.astype(str).tolist())
    return None


def _labels(arrays: Mapping[str, Any], path: Path) -> tuple[Tensor, tuple[str, ...] | None]:
    for name in keyed(arrays, LABEL_WORDS)[:1]:
        if arrays[name].dtype.kind == "U" and arrays[name].ndim == 1:
            return labels_in(arrays[name].tolist(), _names(arrays), path)
    return _pick(arrays, LABEL_WORDS, path), _names(arrays)


def _pick(arrays: Mapping[str, Any], words: Sequence[str], path: Path) -> Tensor:
    for name in keyed(arrays, words)[:1]:
        array = arrays[name]
        if array.dtype.kind not in "fiub" or array.nbytes > 4 * MOST_VALUES:
            raise InputError(f"{path}: {name!r} is an array of {array.dtype}, not of numbers")
        return torch.from_numpy(np.ascontiguousarray(array.astype(_native(array.dtype))))
    require_together(path)
    held = ", ".join(name for name in list(arrays)[:6] if readable(name)) or "nothing"
    raise InputError(f"{path} holds {held}; expected arrays called images and labels")


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
        several=False,
    )
)
