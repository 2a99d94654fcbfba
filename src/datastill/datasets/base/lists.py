"""Lists beside pictures that say which are for training and which for tests: meta/train.txt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from datastill.base.errors import InputError
from datastill.base.registry import folded
from datastill.base.wording import counted, printable
from datastill.datasets.base.names import (
    SPLIT_WORDS,
    Split,
    is_picture,
    word_among,
    word_of_split,
    words_in,
)
from datastill.datasets.base.rows import splits_of
from datastill.datasets.base.tables import SPLIT_COLUMNS, TextTable, read_table, text_of
from datastill.datasets.base.tree import READ, Tree, joined, names_of_lists

PAIR = ("train_test_split.txt", "images.txt")
"""Of CUB-200-2011 and NABirds: 1 for training by the numbers of pictures, and their names."""

LOOKED_AT = 200
"""Lines, from all over a list, a tenth of which has to name pictures."""

Said = Iterable[tuple[str | None, str | None]]
"""Pictures that lines name, and the words of their splits."""


@dataclass(frozen=True)
class Lists:
    """What lists say.

    Attributes:
        sources: their paths below the root.
        parts: the pictures of each split.
    """

    sources: tuple[str, ...]
    parts: Mapping[Split, frozenset[str]]

    def told(self, neither: int) -> str:
        """Say that they are read, and how many images they do not name."""
        said = f"{' and '.join(map(printable, self.sources))} say which images are for tests"
        left = f"; {counted(neither, 'image')} that they do not name left out"
        return said + left * bool(neither)


def lists_in(root: Path, tree: Tree) -> Lists | None:
    """Return what the lists below a folder say; None unless they name images of both splits.

    Of several pairs, such as DTD's train1.txt and test1.txt to train10.txt and test10.txt, the
    first counts.

    Raises:
        InputError: when a picture is in both.
    """
    known = dict[str, list[str]]()
    for path in tree.all_pictures():
        known.setdefault(PurePosixPath(path).stem, []).append(path)
    for sources, said in _candidates(root, tree, known):
        by_word = dict[str, set[str]]()
        for path, word in said:
            if path and word:
                by_word.setdefault(word, set()).add(path)
        train, test = (
            frozenset(by_word[word] if (word := word_among(by_word, split)) else ())
            for split in SPLIT_WORDS
        )
        if train & test:
            raise InputError(
                f"{' and '.join(sources)} in {root} say of {min(train & test)} that it is for "
                "training and for tests; remove it from one of them, or the lists"
            )
        if train and test:
            return Lists(sources, {"train": train, "test": test})
    return None


def _candidates(
    root: Path, tree: Tree, known: Mapping[str, Sequence[str]]
) -> Iterator[tuple[tuple[str, ...], Said]]:
    alike = dict[tuple[int, str], dict[str, str]]()
    for path in names_of_lists(tree):
        word = word_of_split(PurePosixPath(path).stem)
        if word and path.casefold().endswith(READ):
            rest = path.casefold().replace(word, "", 1)
            alike.setdefault((len(rest), rest), {})[word] = path
    for _, files in sorted(alike.items()):
        if all(word_among(files, split) for split in SPLIT_WORDS):
            cells = {word: _cells(text_of(root / path)) for word, path in files.items()}
            said = [(path, word) for word, rows in cells.items() for path in _named(rows, known)]
            yield tuple(files.values()), said
    yield from _within(root, tree, known)


def _within(
    root: Path, tree: Tree, known: Mapping[str, Sequence[str]]
) -> Iterator[tuple[tuple[str, ...], Said]]:
    for folder in tree.below():
        pair = tuple(joined(folder.place, name) for name in PAIR)
        if set(PAIR) <= set(folder.others):
            bits, rows = (_cells(text_of(root / path)) for path in pair)
            words = {number: {"1": "train", "0": "test"}.get(bit) for _, _, number, bit, *_ in bits}
            yield pair, zip(_named(rows, known), (words.get(row[2]) for row in rows), strict=True)
        for path in (joined(folder.place, name) for name in sorted(folder.others)):
            if _has_column(root / path):
                table = _table(root / path)
                found = _named([row for _, row in table.rows], known)
                if any(found):
                    yield (path,), zip(found, splits_of(table), strict=True)


def _table(file: Path) -> TextTable:
    try:
        return read_table(file)
    except InputError:  # of something else, maybe: what names pictures is all that counts here
        return TextTable(str(file), (), [])


def _cells(text: str) -> list[list[str]]:
    # Names may have spaces: all of a line, and all but its last word, are looked at too.
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [[x, re.split(r"[,;\t ](?=\S*$)", x)[0], *re.split(r"[,;\t ]+", x)] for x in lines]


def _named(rows: Sequence[Sequence[str]], known: Mapping[str, Sequence[str]]) -> list[str | None]:
    # By the column that names the most; names of columns, and what is not there, name none.
    some = rows[:: max(1, len(rows) // LOOKED_AT)]
    columns = range(max(map(len, some), default=0))
    hits = [len({_called(row, place, known) for row in some} - {None}) for place in columns]
    if not hits or 10 * max(hits) < len(some):
        return [None] * len(rows)
    most = hits.index(max(hits))
    return [_called(row, most, known) for row in rows]


def _called(row: Sequence[str], column: int, known: Mapping[str, Sequence[str]]) -> str | None:
    # cat/001 is no other class's 001.
    name = PurePosixPath(row[column].strip("\"' ").replace("\\", "/") if column < len(row) else "")
    found = [
        path
        for path in known.get(name.stem if is_picture(name.name) else name.name, ())
        if name.parent.name in ("", PurePosixPath(path).parent.name) or "/" not in path
    ]
    exact = [path for path in found if PurePosixPath(path).name == name.name] or found
    return exact[0] if len(exact) == 1 else None


def _has_column(file: Path) -> bool:
    # Of splits: CelebA's list_eval_partition.txt, or a table's.
    if not file.name.casefold().endswith(READ) or file.suffix.casefold() == ".txt":
        return file.suffix.casefold() == ".txt" and "partition" in words_in(file.stem)
    try:
        with file.open(encoding="utf-8-sig") as opened:
            head = re.split(r"[,;\t]", opened.readline(2**12))
    except (OSError, UnicodeDecodeError):
        return False
    return any(folded(name) in SPLIT_COLUMNS for name in head)
