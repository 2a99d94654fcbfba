"""What the rows of a table say: which picture is of which class, and of which split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from datastill.base.errors import InputError
from datastill.base.registry import folded
from datastill.datasets.base.by_name import Pictures, words_above
from datastill.datasets.base.names import SPLIT_WORDS, is_picture, word_of_split
from datastill.datasets.base.reading import Reading
from datastill.datasets.base.tables import LABEL_COLUMNS, SPLIT_COLUMNS, TextTable

LOOKED_AT = 50
"""Rows by which a column of names of files is found."""

UNSAID = ""
"""In place of the word of a split, where nothing says one."""


class Unsaid(InputError):
    """A table names pictures, and no column of it is known to hold classes."""


BITS = ("0", "1", "0.0", "1.0")
NUMBERED = {"0": "train", "1": "val", "2": "test"}
"""What numbers mean in place of words of splits, as CelebA and WILDS have them."""


def rows_of(
    table: TextTable, place: str, pictures: Pictures, reading: Reading
) -> Iterator[tuple[str, str, str, int]]:
    """Yield the word of a split, a picture, its class and the line, of every row.

    Args:
        table: that may say the classes of pictures; one that does not has no such rows.
        place: the folder of the table.
        pictures: those that it may name.
        reading: may name columns.

    Raises:
        InputError: for a picture that is not there, or a row without a class or of several.
        Unsaid: where no column is known to hold classes.
    """
    stem = PurePosixPath(table.source.replace("\\", "/")).stem
    word = word_of_split(stem) or next(iter(words_above(f"{place}/.")), None)
    found = file_column(table, place, pictures, word, reading.images)
    if found is None:
        return
    column, by_number = found
    label = _label_column(table, column, reading.labels, word)
    if label is None:
        return
    _require_single(table, label)
    classes, splits = _classes(table, label), splits_of(table)
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
        split = own or word or next(iter(words_above(picture)), UNSAID)
        yield split, picture, said, line


def file_column(
    table: TextTable,
    place: str,
    pictures: Pictures,
    word: str | None = None,
    asked: str | None = None,
) -> tuple[str, bool] | None:
    """Return the column that names pictures, and whether it does so by numbers alone.

    Args:
        table: see ``rows_of``; so are the next two.
        place: of the table.
        pictures: that it may name.
        word: of the split that it is of.
        asked: the column that a person names.
    """
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
    known = {folded(name): name for name in others}
    for name in LABEL_COLUMNS:
        if name in known:
            return known[name]
    rest = [name for name in others if folded(name) not in SPLIT_COLUMNS and name]
    if len(rest) == 1 and not is_picture(next(iter(table.column(rest[0])), "")):
        return rest[0]
    if len(rest) > 1 and all(v in BITS for name in rest for v in table.column(name)):
        return tuple(rest)
    if word in (None, *SPLIT_WORDS["train"]):
        raise Unsaid(
            f"{table.source}: no column is known to hold classes; name one by `labels`, of: "
            f"{', '.join(others) or 'none'}"
        )
    return None  # test pictures without classes, as in a competition


def _require_single(table: TextTable, label: str | tuple[str, ...]) -> None:
    if label in table.nested:
        raise InputError(
            f"{table.source}: {label} holds lists or tables, as of several classes or of places in "
            "a picture; an image is of one class here; name another column by `labels`"
        )


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


def _require_known(table: TextTable, name: str, words: Mapping[str, str | None]) -> None:
    # Else images for tests would be trained on, where one row says nothing.
    for (line, _), value in zip(table.rows, table.column(name), strict=True):
        if words[value] is None:
            raise InputError(
                f"{table.source}, line {line}: the column {name} says {value!r}, which is no "
                "split; expected train, val or test: change it, or remove the row"
            )


def splits_of(table: TextTable) -> list[str | None]:
    """Return the word of the split that a column says of each row; None where none does.

    Raises:
        InputError: when some of its values are such words and others are not.
    """
    for name in table.columns:
        if folded(name) in SPLIT_COLUMNS:
            said = set(table.column(name))
            words = {value: word_of_split(value) for value in said}
            words = dict(NUMBERED) if said == set(NUMBERED) else words
            if any(words.values()):
                _require_known(table, name, words)
                return [words[value] for value in table.column(name)]
    return [None] * len(table.rows)
