"""What the names of files and folders say: pictures, splits, nobody's data."""

from __future__ import annotations

import re
from typing import Literal

Split = Literal["train", "test"]

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
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
    return (found[0], tuple(rest)) if len(found) == 1 else (None, tuple(rest))


def words_in(name: str) -> list[str]:
    """Return the words of a name: two of trainSet and of TRAIN_SET; numbers are none."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W\d_]+", apart.casefold())
