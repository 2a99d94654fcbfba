"""Pictures whose classes a table says: Kaggle's labels.csv, the hub's metadata.csv."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from datastill.base.errors import InputError
from datastill.base.registry import folded
from datastill.datasets.base import (
    FORMATS,
    TABLES,
    WORDS,
    Files,
    Format,
    Found,
    Reading,
    Split,
    TextTable,
    labels_of,
    numbers_of,
    read_table,
)
from datastill.datasets.base.by_name import Pictures
from datastill.datasets.base.layout import layout_of
from datastill.datasets.base.lists import lists_in
from datastill.datasets.base.names import BY_THE_WAY, SPLIT_WORDS, word_among
from datastill.datasets.base.rows import UNSAID, Unsaid, file_column, rows_of
from datastill.datasets.base.tree import Tree, tree_of_folder

DUMMIES = ("submission", "sample")
"""Words in the names of tables whose labels mean nothing."""


@dataclass
class Labels:
    """What tables say of one split, and what there is to say of lists of splits beside them."""

    source: str = ""
    labels: dict[str, str] = field(default_factory=dict[str, str])
    lists: str = ""


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read one split of pictures in one folder, or one for each split, with a table of labels.

    The table has a column of names of files, with their endings or without, and one of classes, or
    one for each class with a single 1 in every row. It is of the split that its name says, or its
    folder's, or a column such as ``split``, or the folders of its pictures; else of the training
    images.

    Raises:
        InputError: when it lists pictures that are not there, or what it says is not one class.
    """
    found, unlabelled = labelled(path, reading)
    if split not in found:
        if split == "test":
            return None
        told = f"{path}: its tables tell the classes of no training images"
        if "test" in found:
            source = found["test"].source
            told += (
                f"; {source}, a column of it or a folder says that they are for tests: call that "
                "otherwise, if they are for training"
            )
        raise InputError(told)
    mine = found[split]
    paths = sorted(mine.labels)
    labels, classes = labels_of(numbers_of([mine.labels[p] for p in paths]), None, mine.source)
    facts = {"unlabelled": unlabelled, "lists": mine.lists} if split == "train" else {}
    facts = {name: fact for name, fact in facts.items() if fact}
    root = root_of(path)
    return Found(Files([root / p for p in paths]), labels, classes, mine.source, facts=facts)


def root_of(path: Path) -> Path:
    """Return the folder that a path names, or that the table lies in which it names."""
    return path if path.is_dir() else path.parent


def labelled(path: Path, reading: Reading) -> tuple[dict[Split, Labels], int]:
    """Return what the tables of a folder say of each split, and how many pictures none names.

    Args:
        path: of the folder; or of one table in it, the others of which are then not read.
        reading: may name columns.

    Raises:
        InputError: see ``read``.
    """
    only = None if path.is_dir() else path.name
    path, tree = root_of(path), tree_of_folder(root_of(path))
    pictures = Pictures.below(path, tree)
    by_word, unsaid = dict[str, Labels](), list[Unsaid]()
    for table, place in _that_have(reading.labels, _tables(path, tree, pictures, only)):
        for word, picture, label, line in _told(table, place, pictures, reading, unsaid):
            mine = by_word.setdefault(word, Labels(table.source))
            if mine.labels.setdefault(picture, label) != label:
                raise InputError(
                    f"{table.source}, line {line}: {picture} is of the class {label!r} here, and "
                    f"of {mine.labels[picture]!r} before; an image is of one class"
                )
    found = _by_split(by_word, path, tree)
    if unsaid and "train" not in found:
        raise unsaid[0]
    named = {picture for labels in by_word.values() for picture in labels.labels}
    _require_apart(found)
    return found, len(tree.all_pictures()) - len(named)


def _by_split(by_word: dict[str, Labels], path: Path, tree: Tree) -> dict[Split, Labels]:
    named, plain = {*by_word} - {UNSAID}, by_word.get(UNSAID)
    found: dict[Split, Labels] = {}
    if plain and not named and (lists := lists_in(path, tree)):
        for split, part in lists.parts.items():
            inside = {p: plain.labels[p] for p in part & plain.labels.keys()}
            told = lists.told(len(plain.labels.keys() - set[str]().union(*lists.parts.values())))
            found |= {split: Labels(plain.source, inside, told)} if inside else {}
        return found
    by_word.pop(UNSAID, None)
    if plain and named.isdisjoint(SPLIT_WORDS["train"]):
        by_word["train"] = plain  # beside training images that say so, it may be anything
        named.add("train")
    for split in SPLIT_WORDS:
        if word := word_among(named, split):
            found[split] = by_word[word]
    return found


def _told(
    table: TextTable, place: str, pictures: Pictures, reading: Reading, unsaid: list[Unsaid]
) -> Iterator[tuple[str, str, str, int]]:
    # Beside a table that tells classes one that tells something else does not count.
    try:
        yield from rows_of(table, place, pictures, reading)
    except Unsaid as error:
        unsaid.append(error)


def recognises(path: Path) -> bool:
    """Tell whether there is a table of pictures that lie in no folders of classes."""
    if not path.is_dir() and path.suffix.casefold() not in TABLES:
        return False
    root = root_of(path)
    tree = tree_of_folder(root)
    if not tree.has_pictures or not any(True for _ in _named(tree)):
        return False
    if path.is_dir() and _says_classes(tree, root):
        return False
    pictures = Pictures.below(root, tree)
    return any(
        file_column(table, place, pictures) is not None
        for table, place in _tables(root, tree, pictures, None if path.is_dir() else path.name)
    )


def _says_classes(tree: Tree, root: Path) -> bool:
    try:
        part = layout_of(tree, str(root)).part("train")
        classes = [] if part is None else list(part.classes)
    except InputError:
        classes = []
    return len(classes) > 1 and not all(folded(name) in BY_THE_WAY for name in classes)


def _named(tree: Tree) -> Iterator[tuple[str, str]]:
    for folder in tree.below():
        for name in sorted(folder.others):
            dummy = any(word in name.casefold() for word in DUMMIES)
            if PurePosixPath(name).suffix.casefold() in TABLES and not dummy:
                yield folder.place, name


def _tables(
    root: Path, tree: Tree, pictures: Pictures, only: str | None
) -> Iterator[tuple[TextTable, str]]:
    for place, name in _named(tree):
        if only is not None and (place, name) != ("", only):
            continue
        if name.casefold().endswith(WORDS) and not _lists_pictures(
            root / place / name, place, pictures
        ):
            continue
        table = read_table(root / place / name)
        # Without names of columns the first line is a row.
        first = [pictures.called(value, place, None) for value in table.columns if value]
        yield (table.headless() if any(first) else table), place


def _that_have(
    column: str | None, tables: Iterable[tuple[TextTable, str]]
) -> Iterable[tuple[TextTable, str]]:
    # Of several tables those that have the column that a person names; all, where none has.
    if column is None:
        return tables
    found = list(tables)
    return [each for each in found if column in each[0].columns] or found


def _lists_pictures(file: Path, place: str, pictures: Pictures) -> bool:
    # Of the many texts that may lie there only lists of pictures are read.
    try:
        with file.open(encoding="utf-8-sig") as opened:
            first = opened.readline(2**12).split(maxsplit=1)
    except (OSError, UnicodeDecodeError):
        return False
    return len(first) == 2 and pictures.called(first[0], place, None) is not None


def _require_apart(found: Mapping[Split, Labels]) -> None:
    both = (
        set.intersection(*(set(each.labels) for each in found.values())) if len(found) > 1 else ()
    )
    if both:
        raise InputError(
            f"{found['train'].source} and {found['test'].source} both name {min(both)}: pictures "
            "are for training or for tests; name the table of the two that tells the classes"
        )


FORMATS.register("table of labels")(
    Format(
        recognises=recognises,
        read=read,
        has_test=lambda path, reading: "test" in labelled(path, reading)[0],
    )
)
