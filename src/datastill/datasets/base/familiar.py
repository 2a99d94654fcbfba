"""Files of datasets that everybody knows, where they are not read as they lie, and what helps."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

from datastill.datasets.base.names import is_clutter, is_picture

MARKS = {
    "data_batch_1": "CIFAR10",
    "data_batch_1.bin": "CIFAR10",
    "fine_label_names.txt": "CIFAR100",
    "train_32x32.mat": "SVHN",
}
"""Files by which a registered dataset is known, in its official layout."""

LISTS = (".json", ".xml", ".xlsx", ".mat")
"""Endings of files that may hold classes, and are not read."""


ARRAYS = (".npz", ".safetensors", ".pt", ".pth", ".mat", ".parquet")
"""Endings of files that may be datasets themselves."""

PICKLED = (
    "a pickle, which can run code; save its arrays in Python by np.savez('own.npz', images=..., "
    "labels=...), images x channels x height x width, and name that"
)
"""What is said of such a file."""

SERIALISED = (
    "of TensorFlow's records, or LMDB, which are not read: in Python, np.savez('own.npz', "
    "images=..., labels=...) of its arrays, or save its pictures into a folder for each class"
)
"""Likewise."""

SOME = 10
"""Lines of a list that are looked at."""

TABLES = (".csv", ".tsv", ".jsonl")
"""Endings of files that are read where they are tables of pictures."""


def familiar(path: Path) -> str:
    """Return words about what lies in a folder, to follow what is missing; or nothing."""
    official = _official(path)
    if official is not None:
        file, name = official
        return f"; {file} is of {name}: `name={name}` and its folder by `path` read it"
    told = shards(path) or _raw(path)
    if told:
        return told
    arrays = next((file for file in _files(path) if file.suffix.casefold() in ARRAYS), None)
    if arrays is not None and not any(is_picture(file.name) for file in _files(path)):
        return f"; {arrays} lies there: name it, if it is the dataset"
    said = next((f"; {file} is {kind}" for file in _files(path) if (kind := _kind(file))), None)
    if said is not None:
        return said
    if listed := unread_list(path):
        return listed
    table = next((file for file in _files(path) if file.suffix.casefold() in TABLES), None)
    if table is not None:
        return (
            f"; {table} is there, but neither names pictures that lie there, as they are written, "
            "and their classes, nor holds a class and the pixels of a square grey image in each row"
        )
    return ""


def _official(path: Path) -> tuple[Path, str] | None:
    for file in _files(path):
        name = MARKS.get(file.name)
        if file.name == "train" and (file.parent / "meta").is_file():
            name = "CIFAR100"
        if name is not None:
            return file, name
    return None


def _raw(path: Path) -> str:
    # MNIST/raw, below the folder that torchvision was told.
    found = next(path.glob("*/raw/*images*idx3*"), None) if path.is_dir() else None
    return f"; {found.parent} holds arrays in idx files: name that folder" if found else ""


def _kind(file: Path) -> str | None:
    if ".tfrecord" in file.name or file.suffix == ".mdb":
        return SERIALISED
    return PICKLED if is_pickle(file) else None


def is_pickle(file: Path) -> bool:
    """Tell whether a file is a pickle, as that of ImageNet32, val_data, which has no ending."""
    if file.suffix.casefold() in (".pkl", ".pickle"):
        return True
    try:
        with file.open("rb") as opened:
            return not file.suffix and re.match(rb"\x80[\x02-\x05]", opened.read(2)) is not None
    except OSError:
        return False


def unread_list(path: Path) -> str:
    """Return words about a list of classes beside pictures that is not read; or nothing."""
    found = next((file for file in _files(path) if file.suffix.casefold() in LISTS), None)
    if found is None:
        stems = {file.stem for file in _files(path) if is_picture(file.name)}
        texts = (file for file in _files(path) if file.suffix.casefold() == ".txt")
        found = next((file for file in texts if _names_one(file, stems)), None)
    if found is None:
        return ""
    return (
        f"; {found} is not read: where it tells the classes, write them into a labels.csv "
        "beside it, under a line id,label a line such as 001.png,cat for each picture"
    )


def _names_one(file: Path, stems: Collection[str]) -> bool:
    # In its first lines, of which some may be remarks.
    try:
        with file.open(encoding="utf-8-sig") as opened:
            words = [line.split()[:1] for line in islice(opened, SOME)]
    except (OSError, UnicodeDecodeError):
        return False
    return any(PurePosixPath(word).stem in stems for [word] in filter(None, words))


def shards(path: Path) -> str:
    """Return words about shards of webdataset that lie in a folder; or nothing."""
    file = next((each for each in _files(path) if each.suffix == ".tar" and _is_shard(each)), None)
    if file is None:
        return ""
    return (
        f"; {file} is a shard of webdataset, which is not read: in Python, datasets.load_dataset("
        f"'webdataset', data_files='{file.parent}/*.tar', split='train').to_parquet('all.parquet'),"
        " and name that file with `labels='cls'`"
    )


def _files(path: Path) -> Iterator[Path]:
    for pattern in ("*", "*/*"):
        try:
            found = sorted(path.glob(pattern)) if path.is_dir() else []
        except OSError:
            return
        for file in found:
            if file.is_file() and not is_clutter(file.name) and not is_clutter(file.parent.name):
                yield file


def _is_shard(file: Path) -> bool:
    import tarfile

    try:
        with tarfile.open(file, "r:") as archive:
            names = [member.name for member, _ in zip(archive, range(8), strict=False)]
    except (OSError, tarfile.TarError):
        return False
    return any(name.endswith(".cls") for name in names)
