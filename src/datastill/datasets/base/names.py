"""What the names of files and folders say: pictures, splits, nobody's data."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from datastill.base.registry import folded

Split = Literal["train", "test"]

PICTURES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".bmp", ".gif", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm"),
)
"""Endings of the files that are taken for pictures, in small letters."""

SPLIT_WORDS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "test": ("test", "testing", "val", "valid", "validation", "eval", "evaluation", "dev"),
}
"""What a split may be called; of test images the first that is there counts."""

LIKE = {"testing": "test", "valid": "val", "validation": "val", "evaluation": "eval"}
"""Words that say the same as another: a folder of each is one too many."""

BY_THE_WAY = {"set", "sets", "data", "dataset", "images", "image", "imgs", "img", "pictures"}
"""Words that name no class and no split."""

BELONGING = {
    *("mask", "masks", "annotation", "annotations", "trimap", "trimaps", "segmentation", "gt"),
    *("segmentations", "groundtruth", "ground", "truth", "label", "labels"),
}
"""Words of folders that hold what belongs to pictures, and are no classes beside these."""

CLUTTER = {
    *("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "#recycle"),
    *("$recycle.bin", "system volume information", "lost+found", "__pycache__"),
}
"""What programs leave beside files without being asked, in small letters."""


def is_clutter(name: str) -> bool:
    """Tell whether a file or folder is nobody's data: hidden, or left there by some program.

    >>> [is_clutter(name) for name in (".ipynb_checkpoints", "._cat.png", "__MACOSX", "cat")]
    [True, True, True, False]
    """
    return name.startswith(".") or name.casefold() in CLUTTER


def is_picture(name: str) -> bool:
    """Tell whether a file is taken for a picture, by the ending of its name."""
    stem, _, ending = name.rpartition(".")
    return bool(stem) and f".{ending.casefold()}" in PICTURES


def split_word(name: str) -> str | None:
    """Return the word by which a name says that it is a split and nothing else.

    >>> [split_word(name) for name in ("TRAIN", "training_set", "testData", "val2017", "trains")]
    ['train', 'training', 'test', 'val', None]
    """
    word, rest = parted(name)
    return word if rest == () else None


def word_of_split(name: str) -> str | None:
    """Return the word by which a name says of which split it is, whatever it says beside.

    >>> word_of_split("train_labels"), word_of_split("PublicTest"), word_of_split("labels")
    ('train', 'test', None)
    >>> word_of_split("final_test.test"), word_of_split("train_test")
    ('test', None)
    """
    return parted(name)[0]


def parted(name: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the word by which a name says a split, if one does, and what else it says."""
    known = {word for words in SPLIT_WORDS.values() for word in words}
    found: list[str] = []
    rest: list[str] = []
    for word in words_in(name):
        bare = next(
            (word.removesuffix(end) for end in BY_THE_WAY if word.removesuffix(end) in known), word
        )
        if bare in known:
            found.append(bare)
        elif word not in BY_THE_WAY:
            rest.append(word)
    return (found[0], tuple(rest)) if len(set(found)) == 1 else (None, tuple(rest))


def words_in(name: str) -> list[str]:
    """Return the words of a name: two of trainSet and of TRAIN_SET; numbers are none."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W\d_]+", apart.casefold())


def word_among(words: Collection[str | None], split: Split) -> str | None:
    """Return the word of a split that counts among those that were found; None without any.

    >>> word_among({"val", "test"}, "test"), word_among({"val"}, "train")
    ('test', None)
    """
    return next((word for word in SPLIT_WORDS[split] if word in words), None)


def wanted(lacks: Sequence[str], split: Split) -> str:
    """Say what arrays that are missing may be called.

    >>> wanted(["labels"], "train")
    'expected labels or train_labels, or a name by `labels`'
    """
    expected = ", and ".join(f"{each} or {split}_{each}" for each in lacks)
    names = "a name by " if len(lacks) == 1 else "names by "
    return f"expected {expected}, or {names}{' and '.join(f'`{each}`' for each in lacks)}"


CLASSES = ("classes", "classnames", "labelnames", "classtoidx", "idxtoclass", "labelmap")
"""Keys under which tables keep the names of classes, in small letters and without punctuation."""


def keys_of_classes(keys: Iterable[object]) -> list[str]:
    """Return the keys of a table that hold names of classes, the plainest first.

    >>> keys_of_classes(["images", "idx_to_class", "class_names"])
    ['class_names', 'idx_to_class']
    """
    said = [(folded(key), key) for key in keys if isinstance(key, str)]
    found = [(CLASSES.index(word), key) for word, key in said if word in CLASSES]
    return [key for _, key in sorted(found)]


def classes_among(table: Mapping[Any, Any]) -> tuple[str, ...] | None:
    """Return the names of classes that a table holds under the plainest key; None for none."""
    found = [classes_in(table[key]) for key in keys_of_classes(table)]
    return next((names for names in found if names is not None), None)


def classes_in(value: object) -> tuple[str, ...] | None:
    """Return the names of classes in order: of a list, or a table of or by their numbers.

    >>> classes_in({"truck": 1, "cat": 0}), classes_in({0: "cat", 1: "truck"}), classes_in([1, 2])
    (('cat', 'truck'), ('cat', 'truck'), None)
    >>> classes_in({"truck": "1", "cat": "0"}), classes_in([b"truck", b"cat"])
    (('cat', 'truck'), ('truck', 'cat'))
    >>> classes_in({"2": 1, "10": 0})
    ('10', '2')
    """
    if isinstance(value, Mapping):
        items: list[tuple[object, object]] = list(value.items())  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
        numbered_first = all(str(a).isdecimal() and isinstance(b, str | bytes) for a, b in items)
        pairs = [(a, b) if numbered_first else (b, a) for a, b in items]
        numbered = {str(k): name for k, name in pairs}  # JSON has no keys but texts
        value = [numbered.get(str(k)) for k in range(len(items))]
    if not isinstance(value, list | tuple) or not value:
        return None
    said = [_as_text(name) for name in value]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    names = [name for name in said if name is not None]
    return tuple(names) if len(names) == len(said) else None


def _as_text(name: object) -> str | None:
    if isinstance(name, bytes):  # as Python 2 pickled them
        return name.decode(errors="replace")
    return str(name) if isinstance(name, str) else None
