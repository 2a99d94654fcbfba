"""Folders and what lies in them, on the disk or by the names in a zip."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from datastill.base.errors import damaged
from datastill.datasets.base.names import is_clutter, is_picture, word_of_split, words_in

READ, UNREAD = (".txt", ".csv", ".tsv"), (".mat", ".json", ".jsonl", ".xlsx", ".xml")
"""Endings of lists of splits that are read, and of others that may be some."""


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
        return [joined(tree.place, name) for tree in self.below() for name in sorted(tree.pictures)]


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
            here = here.folders.setdefault(part, Tree(joined(here.place, part)))
        if inner is not parts and parts:
            (here.pictures if is_picture(parts[-1]) else here.others).append(parts[-1])
    return root


def tree_of_folder(path: Path) -> Tree:
    """Return what lies in a folder and below; links are followed unless they lead round.

    Raises:
        InputError: when a folder cannot be read.
    """
    return _walked(str(path), Tree(), (os.path.realpath(path),))


def _walked(path: str, tree: Tree, above: tuple[str, ...]) -> Tree:
    with damaged(path), os.scandir(path) as entries:
        inside = sorted((e for e in entries if not is_clutter(e.name)), key=lambda e: e.name)
    for entry in inside:
        with damaged(entry.path):
            is_folder = entry.is_dir()
        if not is_folder:
            (tree.pictures if is_picture(entry.name) else tree.others).append(entry.name)
            continue
        inner = Tree(joined(tree.place, entry.name), linked=entry.is_symlink())
        real = os.path.realpath(entry.path) if inner.linked else entry.path
        if real not in above:
            tree.folders[entry.name] = _walked(entry.path, inner, (*above, os.path.realpath(real)))
    return tree


def names_of_lists(tree: Tree) -> list[str]:
    """Return the paths of files that say splits by their names: train.txt, list_partition.csv."""
    return [
        joined(folder.place, name)
        for folder in tree.below()
        for name in sorted(folder.others)
        if name.casefold().endswith(READ + UNREAD) and _says_splits(name.rpartition(".")[0])
    ]


def _says_splits(stem: str) -> bool:
    said = {"split", "splits", "partition", "partitions"}.intersection(words_in(stem))
    return word_of_split(stem) is not None or bool(said)


def joined(place: str, name: str) -> str:
    """Return a path below a folder; ``""`` is the folder itself."""
    return f"{place}/{name}" if place and name else place or name
