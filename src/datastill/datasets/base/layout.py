"""How people lay out pictures in folders, and in zips of them: classes, splits, and the rest.

Nothing here opens a picture. Names decide, and where they do not, it is refused: a folder called
like a split never becomes a class in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from datastill.base.errors import InputError
from datastill.base.wording import some
from datastill.datasets.base.names import (
    BELONGING,
    BY_THE_WAY,
    LIKE,
    PICTURES,
    SPLIT_WORDS,
    Split,
    parted,
    split_word,
    word_of_split,
    words_in,
)
from datastill.datasets.base.tree import Tree, joined, names_of_lists


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
        lists: the paths of files that may say splits, where no folders do.
    """

    trees: Mapping[Split, Tree]
    unused: tuple[str, ...]
    source: str
    lists: tuple[str, ...] = ()

    def part(self, split: Split) -> Part | None:
        """Return the classes of a split; None if there is none.

        Raises:
            InputError: when there are no folders of classes, or one holds no pictures.
        """
        if split not in self.trees:
            return None
        tree = self.trees[split]
        name = joined(self.source, tree.place)
        require_classes(tree, name)
        classes = {each: tree.folders[each].all_pictures() for each in sorted(tree.folders)}
        empty = [each for each, found in classes.items() if not found]
        if empty and split == "train":
            full = [each for each, found in classes.items() if found]
            alone = full[0] if len(full) == 1 and tree.folders[full[0]].is_of_folders else None
            raise InputError(
                f"{name}/{empty[0]} holds no pictures ({', '.join(PICTURES)}); "
                "each folder below is taken for a class"
                + (f": name {name}/{alone}, if the classes are in it" if alone else "")
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
        where = joined(source, tree.place)
        tree, copies = _without_copies(tree, where)
        _require_no_splits(tree, where)
        return Layout({"train": tree}, copies, source, tuple(names_of_lists(root)))
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
    named = [each for each in sorted(tree.folders) if tree.folders[each].has_pictures]
    words = [set(words_in(each)) for each in named]
    plain = any(said and said <= BY_THE_WAY for said in words)
    if (
        plain
        and any(map(BELONGING.intersection, words))
        and all(said and said <= BY_THE_WAY | BELONGING for said in words)
    ):
        raise InputError(
            f"{name} holds {' and '.join(named)}, which are no names of classes: pictures and what "
            "belongs to them; expected a folder of pictures for each class, or a table of them"
        )


def _splits(tree: Tree, source: str) -> dict[Split, Tree]:
    # A split holds folders; what holds pictures itself is a class, whatever it is called.
    named = {name: inner for name, inner in tree.folders.items() if _tells_classes(inner)}
    words = {name: word for name in named if (word := split_word(name))}
    words = words or _alike(named)
    train = [name for name, word in words.items() if word in SPLIT_WORDS["train"]]
    rank = {word: i for i, word in enumerate(SPLIT_WORDS["test"])}
    tests = [name for name in words if name not in train]
    tests.sort(key=lambda name: (not named[name].has_pictures, rank[words[name]], name))
    where = joined(source, tree.place)
    alike = {name: LIKE.get(word, word) for name, word in words.items()}
    for several in (train, [t for t in tests if alike[t] == alike[tests[0]]]):
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
            f"{where} holds {train[0]} and beside it {some(beside)}: name the folder that holds "
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
    return alone is None or not (split_word(alone) or set(words_in(alone)) <= BY_THE_WAY)


def _alike(named: Mapping[str, Tree]) -> dict[str, str]:
    # seg_train says no split for sure, but beside seg_test it does.
    said = {name: (word, rest) for name in named for word, rest in [parted(name)] if word and rest}
    both = {
        rest
        for word, rest in said.values()
        if word in SPLIT_WORDS["train"]
        and any(r == rest and w in SPLIT_WORDS["test"] for w, r in said.values())
    }
    return {name: word for name, (word, rest) in said.items() if rest in both}


def _require_no_splits(tree: Tree, name: str) -> None:
    splits = sorted({*filter(split_word, tree.folders), *_alike(tree.folders)})
    if splits and len(tree.folders) - len(splits) < 2:
        raise InputError(
            f"{name} holds {' and '.join(splits)}, a name for parts of the data, but with pictures "
            "in place of a folder for each class; put those of each class into a folder, such as "
            f"{_train_first(splits)}/cat; if {splits[0]} is a class, call it otherwise"
        )
    inner = [each for each in tree.folders.values() if each.has_pictures]
    if len(inner) < 2 or not all(each.is_of_folders for each in inner):
        return
    letters = {each.casefold(): inside.folders for each, inside in tree.folders.items()}
    if all(each == one[:1].casefold() for each in letters for one in letters[each]):  # SUN397
        raise InputError(
            f"{some(sorted(tree.folders))} in {name} are first letters of the folders in them, "
            f"and no classes: put these right into one folder, as by mv {name}/?/* into a new one"
        )
    both = sorted(set.intersection(*(set(each.folders) for each in inner)))
    if len(both) > 1:
        raise InputError(
            f"{some(sorted(tree.folders))} in {name} hold the same folders ({some(both)}) and no "
            "pictures of their own: call the one of training images train and that of test images "
            "test; or, if they are classes, put the pictures of each right into it; or, if each is "
            f"a set by itself, name it alone: {name}/{min(tree.folders)}"
        )


def _train_first(splits: list[str]) -> str:
    train = (name for name in splits if word_of_split(name) in SPLIT_WORDS["train"])
    return next(train, splits[0])


def _without_copies(tree: Tree, name: str) -> tuple[Tree, tuple[str, ...]]:
    # cell_images/cell_images holds all the classes beside it once more.
    copies: list[str] = []
    for each, inner in tree.folders.items():
        again = [one for one in inner.folders if one in tree.folders and one != each]
        if len(again) < 2 or len(again) < len(inner.folders) or not inner.is_of_folders:
            continue
        if not all(_inside(inner.folders[one]) <= _inside(tree.folders[one]) for one in again):
            raise InputError(
                f"{name}/{each} holds folders called as the classes beside it ({some(again)}), "
                f"with other pictures: put these into the folders beside it, or name {name}/{each} "
                "alone"
            )
        copies.append(each)
    left = {each: inner for each, inner in tree.folders.items() if each not in copies}
    return replace(tree, folders=left), tuple(tree.folders[each].place for each in copies)


def _inside(tree: Tree) -> set[str]:
    return {path.removeprefix(f"{tree.place}/") for path in tree.all_pictures()}


def _unwrapped(root: Tree) -> Tree:
    # Zips hold one folder with all the rest; others keep notes beside a folder of images.
    here = root
    while here.is_of_folders:
        if any(split_word(name) for name in here.folders) or _alike(here.folders):
            return here
        holding = [name for name, inner in here.folders.items() if inner.has_pictures]
        alone = len(here.folders) == 1 or (
            len(holding) == 1 and set(words_in(holding[0])) <= BY_THE_WAY
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
        if not inner.is_of_folders or not (same or set(words_in(name)) <= BY_THE_WAY):
            break
        tree = inner
    return tree
