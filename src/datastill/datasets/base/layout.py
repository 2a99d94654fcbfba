"""How people lay out pictures in folders, and in zips of them: classes, splits, and the rest.

Nothing here opens a picture. Names decide, and where they do not, it is refused: a folder called
like a split never becomes a class in silence.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from datastill.base.errors import InputError

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
    word, rest = _said(name)
    return word if rest == () else None


def word_of_split(name: str) -> str | None:
    """Return the word by which a name says of which split it is, whatever it says beside.

    >>> word_of_split("train_labels"), word_of_split("PublicTest"), word_of_split("labels")
    ('train', 'test', None)
    """
    return _said(name)[0]


def split_named(name: str) -> Split | None:
    """Return the split that a name says, and says nothing else beside."""
    word = split_word(name)
    if word is None:
        return None
    return "train" if word in SPLIT_WORDS["train"] else "test"


@dataclass
class Tree:
    """A folder: what lies in it, clutter left out.

    Attributes:
        place: its path below the root, ``""`` for that.
        folders: those inside, by name.
        pictures: names of pictures in it.
        others: names of other files in it.
        linked: whether it is a link to a folder elsewhere.
    """

    place: str = ""
    folders: dict[str, Tree] = field(default_factory=dict[str, "Tree"])
    pictures: list[str] = field(default_factory=list[str])
    others: list[str] = field(default_factory=list[str])
    linked: bool = False

    @property
    def has_pictures(self) -> bool:
        """Whether there are pictures here or below."""
        return bool(self.pictures) or any(inner.has_pictures for inner in self.folders.values())

    @property
    def is_of_folders(self) -> bool:
        """Whether there are folders here, and no pictures beside them."""
        return bool(self.folders) and not self.pictures

    def below(self) -> Iterator[Tree]:
        """Yield this folder and those below, in order; links below are not followed."""
        yield self
        for name in sorted(self.folders):
            if not self.folders[name].linked:
                yield from self.folders[name].below()

    def all_pictures(self) -> list[str]:
        """Return the paths of all pictures here and below."""
        return [
            _joined(tree.place, name) for tree in self.below() for name in sorted(tree.pictures)
        ]


def tree_of_names(names: Iterable[str]) -> Tree:
    """Return the folders that paths such as ``pets/cat/1.png`` name; folders may end in ``/``."""
    root = Tree()
    for name in names:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if any(map(is_clutter, parts)):
            continue
        inner = parts if name.endswith("/") else parts[:-1]
        here = root
        for part in inner:
            here = here.folders.setdefault(part, Tree(_joined(here.place, part)))
        if inner is not parts and parts:
            (here.pictures if is_picture(parts[-1]) else here.others).append(parts[-1])
    return root


def tree_of_folder(path: Path) -> Tree:
    """Return what lies in a folder and below; links are followed unless they lead round.

    Raises:
        InputError: when a folder cannot be read.
    """
    return _walked(str(path), Tree(), (os.path.realpath(path),))


@dataclass(frozen=True)
class Part:
    """One split.

    Attributes:
        place: the path of its folder below the root.
        classes: the paths of the pictures of each class below the root, in alphabetical order.
        others: how many other files lie beside these, by their endings.
    """

    place: str
    classes: Mapping[str, list[str]]
    others: Counter[str]


@dataclass(frozen=True)
class Layout:
    """Where the classes of each split are.

    Attributes:
        trees: the folder of training images, and that of test images if there is one.
        unused: the paths of folders that hold pictures and are of neither.
        source: name of the root, for messages.
    """

    trees: Mapping[Split, Tree]
    unused: tuple[str, ...]
    source: str

    def part(self, split: Split) -> Part | None:
        """Return the classes of a split; None if there is none.

        Raises:
            InputError: when there are no folders of classes, or one holds no pictures.
        """
        if split not in self.trees:
            return None
        tree = self.trees[split]
        name = _joined(self.source, tree.place)
        require_classes(tree, name)
        classes = {each: tree.folders[each].all_pictures() for each in sorted(tree.folders)}
        empty = [each for each, found in classes.items() if not found]
        if empty and split == "train":
            raise InputError(
                f"{name}/{empty[0]} holds no pictures ({', '.join(PICTURES)}); "
                "each folder below is taken for a class"
            )
        others = Counter(
            PurePosixPath(other).suffix.casefold() or other
            for folder in tree.folders.values()
            for inner in folder.below()
            for other in inner.others
        )
        return Part(tree.place, classes, others)


def layout_of(root: Tree, source: str) -> Layout:
    """Find out which folders are splits, and where those of classes are.

    Splits are folders called train and test in any usual spelling (``Training``, ``TEST_set``,
    ``seg_train`` beside ``seg_test``), maybe one folder further down, as zips have it. Of several
    kinds of test images the first of ``SPLIT_WORDS`` counts.

    Args:
        root: what is there.
        source: its name, for messages.

    Raises:
        InputError: when it cannot be told which folders are splits and which are classes.
    """
    tree = _unwrapped(root)
    splits = _splits(tree, source)
    if not splits:
        _require_no_splits(tree, _joined(source, tree.place))
        return Layout({"train": tree}, (), source)
    used = [inner.place for inner in splits.values()]
    others = [inner for inner in tree.folders.values() if inner.place not in used]
    unused = sorted(inner.place for inner in others if inner.has_pictures)
    return Layout({k: _inner(v) for k, v in splits.items()}, tuple(unused), source)


def require_classes(tree: Tree, name: str) -> None:
    """Refuse a folder that is not one of folders for classes.

    Raises:
        InputError: naming it.
    """
    if tree.pictures and tree.folders:
        raise InputError(f"{name} holds pictures beside its folders, such as {min(tree.pictures)}")
    if not tree.folders:
        raise InputError(f"{name} holds no folders; expected a folder of pictures for each class")


def _splits(tree: Tree, source: str) -> dict[Split, Tree]:
    # A split holds folders; what holds pictures itself is a class, whatever it is called.
    named = {name: inner for name, inner in tree.folders.items() if _tells_classes(inner)}
    words = {name: word for name in named if (word := split_word(name))}
    words = words or _alike(named)
    train = [name for name, word in words.items() if word in SPLIT_WORDS["train"]]
    rank = {word: i for i, word in enumerate(SPLIT_WORDS["test"])}
    tests = [name for name in words if name not in train]
    tests.sort(key=lambda name: (not named[name].has_pictures, rank[words[name]], name))
    where = _joined(source, tree.place)
    for several in (train, [t for t in tests if _same(words[t], words[tests[0]])]):
        if len([name for name in several if named[name].has_pictures]) > 1:
            raise InputError(
                f"{where} holds {' and '.join(sorted(several))}, which say the same; "
                "leave one of them there"
            )
    if not words:
        return {}
    if not train:
        raise InputError(
            f"{where} has a folder of test images, {tests[0]}, but none called 'train'; if "
            f"{tests[0]} is a class, call it otherwise"
        )
    beside = [
        name
        for name, inner in tree.folders.items()
        if name not in words and not split_word(name) and inner.has_pictures
    ]
    if not tests and beside:
        raise InputError(
            f"{where} holds {train[0]} and beside it {_some(beside)}: name the folder that holds "
            f"the classes, such as {where}/{train[0]}; if {train[0]} is a class, call it otherwise"
        )
    found: dict[Split, Tree] = {"train": named[train[0]]}
    return {**found, "test": named[tests[0]]} if tests else found


def _tells_classes(tree: Tree) -> bool:
    # test/images/*.jpg does not.
    inner = _inner(tree)
    if not inner.is_of_folders:
        return False
    alone = next(iter(inner.folders)) if len(inner.folders) == 1 else None
    return alone is None or not (split_word(alone) or set(_words(alone)) <= BY_THE_WAY)


def _alike(named: Mapping[str, Tree]) -> dict[str, str]:
    # seg_train says no split for sure, but beside seg_test it does.
    said = {name: (word, rest) for name in named for word, rest in [_said(name)] if word and rest}
    both = {
        rest
        for word, rest in said.values()
        if word in SPLIT_WORDS["train"]
        and any(r == rest and w in SPLIT_WORDS["test"] for w, r in said.values())
    }
    return {name: word for name, (word, rest) in said.items() if rest in both}


def _require_no_splits(tree: Tree, name: str) -> None:
    splits = sorted(each for each in tree.folders if split_word(each))
    if splits and len(tree.folders) - len(splits) < 2:
        raise InputError(
            f"{name} holds {' and '.join(splits)}, a name for parts of the data, but with pictures "
            "in place of a folder for each class; put those of each class into a folder, such as "
            f"{splits[0]}/cat; if {splits[0]} is a class, call it otherwise"
        )
    inner = [each for each in tree.folders.values() if each.has_pictures]
    if len(inner) < 2 or not all(each.is_of_folders for each in inner):
        return
    both = sorted(set.intersection(*(set(each.folders) for each in inner)))
    if len(both) > 1:
        raise InputError(
            f"{_some(sorted(tree.folders))} in {name} hold the same folders ({_some(both)}) and no "
            "pictures of their own: call the one of training images train and that of test images "
            "test; or, if they are classes, put the pictures of each right into it; or, if each is "
            f"a set by itself, name it alone: {name}/{min(tree.folders)}"
        )


def _unwrapped(root: Tree) -> Tree:
    # Zips hold one folder with all the rest; others keep notes beside a folder of images.
    here = root
    while here.is_of_folders:
        if any(split_word(name) for name in here.folders) or _alike(here.folders):
            return here
        holding = [name for name, inner in here.folders.items() if inner.has_pictures]
        alone = len(here.folders) == 1 or (
            len(holding) == 1 and set(_words(holding[0])) <= BY_THE_WAY
        )
        if len(holding) != 1 or not alone or not here.folders[holding[0]].is_of_folders:
            break
        here = here.folders[holding[0]]
    return here if len(here.folders) > 1 else root


def _inner(tree: Tree) -> Tree:
    # seg_train/seg_train/CLASS, val/images/CLASS
    while tree.is_of_folders and len(tree.folders) == 1:
        name, inner = next(iter(tree.folders.items()))
        same = name == PurePosixPath(tree.place).name or split_word(name)
        if not inner.is_of_folders or not (same or set(_words(name)) <= BY_THE_WAY):
            break
        tree = inner
    return tree


def _said(name: str) -> tuple[str | None, tuple[str, ...]]:
    # The word that says a split, and what else a name says.
    known = {word for words in SPLIT_WORDS.values() for word in words}
    found: list[str] = []
    rest: list[str] = []
    for word in _words(name):
        bare = next(
            (word.removesuffix(end) for end in BY_THE_WAY if word.removesuffix(end) in known), word
        )
        if bare in known:
            found.append(bare)
        elif word not in BY_THE_WAY:
            rest.append(word)
    return (found[0], tuple(rest)) if len(found) == 1 else (None, tuple(rest))


def _words(name: str) -> list[str]:
    # trainSet and TRAIN_SET are two words each; numbers are none.
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W\d_]+", apart.casefold())


def _same(one: str, other: str) -> bool:
    return LIKE.get(one, one) == LIKE.get(other, other)


def _walked(path: str, tree: Tree, above: tuple[str, ...]) -> Tree:
    try:
        with os.scandir(path) as entries:
            inside = sorted((e for e in entries if not is_clutter(e.name)), key=lambda e: e.name)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    for entry in inside:
        if not entry.is_dir():
            (tree.pictures if is_picture(entry.name) else tree.others).append(entry.name)
            continue
        inner = Tree(_joined(tree.place, entry.name), linked=entry.is_symlink())
        real = os.path.realpath(entry.path) if inner.linked else entry.path
        if real not in above:
            tree.folders[entry.name] = _walked(entry.path, inner, (*above, os.path.realpath(real)))
    return tree


def _joined(place: str, name: str) -> str:
    return f"{place}/{name}" if place and name else place or name


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
