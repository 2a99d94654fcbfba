"""Pictures in folders, one for each class; also in a zip, which is never unpacked."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch

from datastill.base.errors import InputError
from datastill.base.registry import folded
from datastill.base.wording import counted, printable
from datastill.datasets.base import (
    FORMATS,
    TABLES,
    WORDS,
    Files,
    Format,
    Found,
    Reading,
    Split,
    Zipped,
    opened_zip,
    opening,
    unopened,
)
from datastill.datasets.base.familiar import familiar
from datastill.datasets.base.layout import Layout, layout_of
from datastill.datasets.base.names import BY_THE_WAY
from datastill.datasets.base.reading import require_no_columns
from datastill.datasets.base.tree import tree_of_folder, tree_of_names

ZIP = ".zip"


def _require_same_classes(layout: Layout, classes: Collection[str], path: Path) -> None:
    # At once, not when a set is tested that hours went into. Of test images without classes, or of
    # quite others, nothing is said: they may be for something else.
    if "test" not in layout.trees:
        return
    folders = layout.trees["test"].folders
    found = [name for name in sorted(folders) if folders[name].all_pictures()]
    known = {name.casefold() for name in classes}
    if not any(name.casefold() in known for name in found):
        return
    for name in found:
        if name not in classes:
            raise InputError(
                f"{path} has test images of the class {name!r}, which is none of the "
                f"{counted(len(classes), 'class')} of its training images; rename or remove "
                "their folder"
            )


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read ``path/train/CLASS`` or ``path/test/CLASS``; of ``path/CLASS`` all are training images.

    A path may be that of a zip of such folders.

    The classes are the names of the folders, in alphabetical order. Pictures may lie in folders
    below; hidden files are passed over, other files counted. See ``layout_of`` for what splits may
    be called.

    Raises:
        InputError: when there are no such folders, or one holds no pictures.
    """
    layout = layout_in(path)
    require_no_columns(reading, path, "a folder of pictures for each class")
    try:
        part = layout.part(split)
    except InputError as error:
        raise InputError(f"{error}{familiar(path) or unopened([path])}") from None
    if part is None:
        return None
    if split == "train":
        _require_same_classes(layout, part.classes, path)
    unused, lists = (list(map(printable, names)) for names in (layout.unused, layout.lists))
    told = {"passed_over": dict(part.others), "unused_folders": unused, "unread_lists": lists}
    (only, *others) = part.classes
    if not others and split == "train":
        no_class = ", the name of no class" if folded(only) in BY_THE_WAY else " alone"
        raise InputError(
            f"{path} holds pictures in {only}{no_class}; expected a folder for each class, or a "
            f"table of them{familiar(path)}"
        )
    names = [name for files in part.classes.values() for name in files]
    zipped = path.suffix.casefold() == ZIP and path.is_file()
    return Found(
        Zipped(opened_zip(path), names) if zipped else Files([path / name for name in names]),
        torch.tensor([k for k, files in enumerate(part.classes.values()) for _ in files]),
        tuple(part.classes),
        str(path / part.place),
        facts={name: value for name, value in told.items() if value},
    )


def layout_in(path: Path) -> Layout:
    """Find out where the classes of each split are in a folder or a zip."""
    if path.is_file():
        return _in_zip(path)
    return layout_of(tree_of_folder(path), str(path))


def _in_zip(path: Path) -> Layout:
    names = opened_zip(path).members
    tree = tree_of_names(names)
    tables = sorted(
        name
        for name in names
        if name.casefold().endswith(TABLES) and not name.casefold().endswith(WORDS)
    )
    way = f"type {opening(path)} and name the folder that comes out"
    if not tree.has_pictures:
        raise InputError(f"{path} holds no pictures: {way}")
    table = InputError(f"{path} holds pictures and a table, {tables[0]}: {way}" if tables else "")
    try:
        layout = layout_of(tree, str(path))
    except InputError as error:
        raise (table if tables else error) from None
    if tables and len(layout.trees["train"].folders) < 2:
        raise table
    return layout


def recognises(path: Path) -> bool:
    """Tell whether there is a folder, or a zip."""
    return path.is_dir() or (path.suffix.casefold() == ZIP and path.is_file())


FORMATS.register("folder")(
    Format(
        recognises=recognises,
        read=read,
        has_test=lambda path, _: "test" in layout_in(path).trees,
        fallback=True,
    )
)
