"""Pictures whose classes a table says: Kaggle's labels.csv, the hub's metadata.csv."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from datastill.base.errors import InputError
from datastill.base.registry import plain
from datastill.datasets.base import (
    FORMATS,
    LABEL_COLUMNS,
    SPLIT_COLUMNS,
    TABLES,
    WORDS,
    Files,
    Format,
    Found,
    Reading,
    Split,
    TextTable,
    labels_of,
    read_table,
)
from datastill.datasets.base.layout import (
    BY_THE_WAY,
    SPLIT_WORDS,
    Tree,
    is_picture,
    layout_of,
    split_word,
    tree_of_folder,
    word_of_split,
)

LOOKED_AT = 50
"""Rows by which a column of names of files is found."""

UNSAID = ""
"""In place of the word of a split, where nothing says one."""

DUMMIES = ("submission", "sample")
"""Words in the names of tables whose labels mean nothing."""


@dataclass(frozen=True)
class Pictures:
    """The pictures of a folder, found by what tables call them.

    Attributes:
        root: the folder.
        known: their paths below it, by path, by name, and by name without ending.
        numbered: likewise by the number that is all of their name: 3 for 003.png.
    """

    root: Path
    known: Mapping[str, Sequence[str]]
    numbered: Mapping[int, Sequence[str]]

    @classmethod
    def below(cls, root: Path, tree: Tree) -> Pictures:
        """Return those of a folder."""
        known, numbered = dict[str, list[str]](), dict[int, list[str]]()
        for path in tree.all_pictures():
            place = PurePosixPath(path)
            for name in {path, str(place.with_suffix("")), place.name, place.stem}:
                known.setdefault(name, []).append(path)
            if place.stem.isdecimal():
                numbered.setdefault(int(place.stem), []).append(path)
        return cls(root, known, numbered)

    def called(
        self, value: str, near: str, word: str | None, *, by_number: bool = False
    ) -> str | None:
        """Return the path of the picture that a table means, or None if there is none such.

        Args:
            value: what the table calls it: a path or a name, with or without ending.
            near: the folder of the table.
            word: the split that the table is of; of several pictures of one name, that one counts.
            by_number: whether 3 means 003.png.
        """
        name = value.replace("\\", "/").removeprefix("./")
        if not name or ".." in PurePosixPath(name).parts:
            return None
        looked = [
            self.known.get(key, ())
            for key in (f"{near}/{name}" if near else name, name, PurePosixPath(name).name)
        ]
        if by_number and name.isdecimal():
            looked.append(self.numbered.get(int(name), ()))
        for found in looked:
            if len(found) > 1:
                mine = [path for path in found if word and word in _words_of(path)]
                found = mine or [path for path in found if path.startswith(f"{near}/")]
            if len(found) == 1:
                return found[0]
        return None


@dataclass
class Labels:
    """What tables say of one split."""

    source: str = ""
    labels: dict[str, str] = field(default_factory=dict[str, str])


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
        raise InputError(f"{path}: its tables tell the classes of no training images")
    mine = found[split]
    paths = sorted(mine.labels)
    labels, classes = labels_of(_numbers([mine.labels[p] for p in paths]), None, mine.source)
    facts = {"unlabelled": unlabelled} if unlabelled and split == "train" else {}
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
    by_word: dict[str, Labels] = {}
    for table, place in _tables(path, tree, pictures, only):
        for word, picture, label, line in _said(table, place, pictures, reading):
            mine = by_word.setdefault(word, Labels(table.source))
            if mine.labels.setdefault(picture, label) != label:
                raise InputError(
                    f"{table.source}, line {line}: {picture} is of the class {label!r} here, and "
                    f"of {mine.labels[picture]!r} before; an image is of one class"
                )
    if by_word.keys().isdisjoint(SPLIT_WORDS["train"]) and UNSAID in by_word:
        by_word["train"] = by_word[UNSAID]
    by_word.pop(UNSAID, None)  # beside training images that say so, it may be anything
    found: dict[Split, Labels] = {}
    for split, words in SPLIT_WORDS.items():
        word = next((word for word in words if word in by_word), None)
        if word is not None:
            found[split] = by_word[word]
    named = {picture for labels in by_word.values() for picture in labels.labels}
    _require_apart(found)
    return found, len(tree.all_pictures()) - len(named)


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
        _file_column(table, place, pictures, None, None) is not None
        for table, place in _tables(root, tree, pictures, None if path.is_dir() else path.name)
    )


def _says_classes(tree: Tree, root: Path) -> bool:
    try:
        part = layout_of(tree, str(root)).part("train")
        classes = [] if part is None else list(part.classes)
    except InputError:
        classes = []
    return len(classes) > 1 and not all(plain(name) in BY_THE_WAY for name in classes)


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


def _lists_pictures(file: Path, place: str, pictures: Pictures) -> bool:
    # Of the many texts that may lie there only lists of pictures are read.
    try:
        with file.open(encoding="utf-8-sig") as opened:
            first = opened.readline(2**12).split()
    except (OSError, UnicodeDecodeError):
        return False
    return len(first) == 2 and pictures.called(first[0], place, None) is not None


def _said(
    table: TextTable, place: str, pictures: Pictures, reading: Reading
) -> Iterator[tuple[str, str, str, int]]:
    # The word of a split, a picture, its class and the line, of every row.
    stem = PurePosixPath(table.source.replace("\\", "/")).stem
    word = word_of_split(stem) or next(filter(None, map(split_word, place.split("/"))), None)
    found = _file_column(table, place, pictures, word, reading.images)
    if found is None:
        return
    column, by_number = found
    label = _label_column(table, column, reading.labels, word)
    if label is None:
        return
    classes, splits = _classes(table, label), _splits(table)
    for (line, _), name, said, own in zip(
        table.rows, table.column(column), classes, splits, strict=True
    ):
        picture = pictures.called(name, place, own or word, by_number=by_number)
        if picture is None:
            raise InputError(
                f"{table.source}, line {line}: there is no picture {name!r} in {pictures.root}"
            )
        if not said:
            raise InputError(f"{table.source}, line {line}: {name} has no class")
        yield own or word or _word_above(picture) or UNSAID, picture, said, line


def _file_column(
    table: TextTable, place: str, pictures: Pictures, word: str | None, asked: str | None
) -> tuple[str, bool] | None:
    # The column that names pictures, and whether it does so by numbers alone.
    columns = [asked] if asked is not None and asked in table.columns else table.columns
    for by_number in (False, True):
        found: dict[str, tuple[int, bool]] = {}
        for column in columns:
            values = table.column(column)[:LOOKED_AT]
            called = (pictures.called(v, place, word, by_number=by_number) for v in values)
            hits = [picture for picture in called if picture is not None]
            if hits and 2 * len(hits) >= len(values):
                found[column] = (len(set(hits)), any(map(is_picture, values)))
        if found:
            # Classes may be called as pictures are, 0 to 9; of the names there are more.
            return max(found, key=lambda column: found[column]), by_number
    return None if asked is None or asked not in table.columns else (asked, False)


def _label_column(
    table: TextTable, column: str, asked: str | None, word: str | None
) -> str | tuple[str, ...] | None:
    others = [name for name in table.columns if name != column]
    if asked is not None:
        if asked not in others:
            raise InputError(f"{table.source} has no column {asked!r}: {', '.join(others)}")
        return asked
    known = {plain(name): name for name in others}
    for name in LABEL_COLUMNS:
        if name in known:
            return known[name]
    rest = [name for name in others if plain(name) not in SPLIT_COLUMNS and name]
    if len(rest) == 1 and not is_picture(next(iter(table.column(rest[0])), "")):
        return rest[0]
    if len(rest) > 1 and all(_is_bit(v) for name in rest for v in table.column(name)):
        return tuple(rest)
    if word in (None, *SPLIT_WORDS["train"]):
        raise InputError(
            f"{table.source}: no column is known to hold classes; name one by `labels`, of: "
            f"{', '.join(others) or 'none'}"
        )
    return None  # test pictures without classes, as in a competition


def _classes(table: TextTable, label: str | tuple[str, ...]) -> list[str]:
    if isinstance(label, str):
        return table.column(label)
    rows = zip(*(table.column(name) for name in label), strict=True)
    found: list[str] = []
    for (line, _), row in zip(table.rows, rows, strict=True):
        ones = [name for name, value in zip(label, row, strict=True) if float(value) == 1]
        if len(ones) != 1:
            raise InputError(
                f"{table.source}, line {line}: its classes are {', '.join(ones) or 'none'}; an "
                "image is of one class"
            )
        found += ones
    return found


def _is_bit(value: str) -> bool:
    return value in ("0", "1", "0.0", "1.0")


def _splits(table: TextTable) -> list[str | None]:
    for name in table.columns:
        if plain(name) in SPLIT_COLUMNS:
            words = {value: word_of_split(value) for value in set(table.column(name))}
            if all(words.values()):
                return [words[value] for value in table.column(name)]
    return [None] * len(table.rows)


def _require_apart(found: Mapping[Split, Labels]) -> None:
    both = (
        set.intersection(*(set(each.labels) for each in found.values())) if len(found) > 1 else ()
    )
    if both:
        raise InputError(
            f"{found['train'].source} and {found['test'].source} both name {min(both)}: pictures "
            "are for training or for tests"
        )


def _word_above(path: str) -> str | None:
    return next(filter(None, map(split_word, PurePosixPath(path).parts[:-1])), None)


def _words_of(path: str) -> set[str | None]:
    return {split_word(part) for part in PurePosixPath(path).parts[:-1]}


def _numbers(labels: Sequence[str]) -> np.ndarray:
    # In the order of numbers, where they are.
    try:
        numbers = np.array([float(label) for label in labels])
    except ValueError:
        return np.array(labels)
    return numbers if np.isfinite(numbers).all() else np.array(labels)


FORMATS.register("table of labels")(
    Format(
        recognises=recognises,
        read=read,
        has_test=lambda path, reading: "test" in labelled(path, reading)[0],
    )
)
