"""What to say of files that are of no known format: what they are, and what helps."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from datastill.base.wording import some
from datastill.datasets.base import opening, unopened
from datastill.datasets.base.familiar import shards
from datastill.datasets.base.names import is_clutter
from datastill.datasets.base.pickles import OBJECTS
from datastill.exchange.base.contract import BEGINNING, FORMATS, holds_objects

SOME = 3
"""Names that a message lists."""

DEEPEST, MOST = 3, 200
"""Folders below each other that are looked into, and how many of them in all."""

BEGINNINGS = {
    b"\x89HDF": "HDF5 (of Keras, h5py or MATLAB 7.3), which is not read: save its arrays in Python "
    "by np.savez(FILE, images=..., labels=...)",
    b"PAR1": "a parquet file: call it .parquet",
    b"\x93NUMPY": "an array of NumPy: call it images.npy, and put labels.npy beside it",
    **dict.fromkeys(
        (b"ARROW1", b"\xff\xff\xff\xff"),
        "a table of Arrow: name the folder of Hugging Face's save_to_disk that it lies in",
    ),
    b"\x89PNG": "one picture: name a folder that holds one for each class",
    b"\xff\xd8\xff": "one picture: name a folder that holds one for each class",
}
"""What a file is, by its first bytes."""

FLAX = (b"\x81", b"\x82", b"\x83", b"\x84", b"\x85", b"\x86", b"\x87", b"\x88")
"""First bytes of small tables in msgpack, in which Flax keeps checkpoints."""


def unknown(path: Path) -> str:
    """Return what to say of a path that no format recognises."""
    if _are_labels_of_batches(path):
        return (
            f"{path} holds labels of every batch, as SRe2L keeps them (FKD), and no images: import "
            "the images alone, and let original models label every batch by datastill validate SET "
            "--labels on-the-fly --models-pool MODEL"
        )
    if path.is_file():
        return _file(path)
    inside = sorted(file for file in path.iterdir() if file.is_file())
    names = [file.name for file in inside if _is_known(file)]
    if names:
        return f"{path} holds {some(names, SOME)}; name one of them"
    packed = shards(path).replace(" with `labels='cls'`", "") or unopened([path])
    if packed:
        return f"{path} holds no files that are read{packed}"
    below = _below(path)
    if below:
        told = some([str(each) for each in below], SOME)
        return f"{path} holds no set itself, but below it there are {told}; name one of them"
    files = [str(file.relative_to(path)) for file in islice(_files_below(path), SOME + 1)]
    return (
        f"{path} {f'holds {some(files, SOME)}: it {_formats()}' if files else 'is an empty folder'}"
    )


def _files_below(path: Path) -> Iterator[Path]:
    for place, inner, names in os.walk(path):
        inner[:] = sorted(name for name in inner if not is_clutter(name))
        yield from (Path(place, name) for name in sorted(names) if not is_clutter(name))


def _are_labels_of_batches(path: Path) -> bool:
    # FKD_cutmix_fp16/epoch_0/batch_0.tar, which is no archive.
    def is_one(file: Path) -> bool:
        return re.fullmatch(r"batch_\d+\.tar", file.name) is not None and _is_of_torch(file)

    if path.is_file():
        return is_one(path)
    return any(is_one(folder / "batch_0.tar") for folder in (path, path / "epoch_0"))


def _file(path: Path) -> str:
    command = opening(path)
    if command is not None and not _is_of_torch(path):
        return f"{path} is packed: type {command} and name what comes out"
    try:
        with path.open("rb") as opened:
            start = opened.read(BEGINNING)
    except OSError as error:
        return f"cannot read {path}: {error.strerror or error}"
    if _is_of_torch(path):
        return f"{path} looks like a file of torch.save: --format pt reads it"
    if start[:1] == b"\x80":
        return f"{path} looks like a pickle: --format pt reads it, and runs nothing of it"
    for begins, told in BEGINNINGS.items():
        if start.startswith(begins):
            return f"{path} holds {OBJECTS}" if holds_objects(start) else f"{path} is {told}"
    if start.startswith(FLAX) and not path.suffix:
        return (
            f"{path} looks like a checkpoint of Flax (FRePo, RCIG), which is not read: restore it "
            "in Python, and np.savez(FILE, images=..., labels=...) of its images and labels"
        )
    return f"{path} {_formats()}"


def _is_of_torch(path: Path) -> bool:
    # Since 1.6 torch.save writes zips, whatever it is told to call them: model.pth.tar.
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist()[:8])
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return False


def _formats() -> str:
    kinds = "; ".join(f"{name}: {FORMATS[name].about}" for name in FORMATS.names)
    return f"is of no known format; choose --format from {kinds}"


def _is_known(path: Path) -> bool:
    return any(FORMATS[name].recognises(path) for name in FORMATS.names)


def _below(path: Path) -> list[Path]:
    # Runs in folders of their own: logged_files/CIFAR10/silver-run-1.
    found, level = list[Path](), [path]
    for _ in range(DEEPEST):
        level = [
            inner
            for folder in level[:MOST]
            for inner in sorted(folder.iterdir())
            if inner.is_dir() and not inner.name.startswith(".")
        ]
        for folder in level[:MOST]:
            inside = [] if _is_known(folder) else sorted(folder.iterdir())[:MOST]
            found += [each for each in inside if each.is_file() and _is_known(each)] or (
                [folder] if not inside else []
            )
        if found:
            break
    return found
