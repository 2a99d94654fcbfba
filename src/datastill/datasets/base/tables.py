"""Tables of labels beside pictures: CSV, as Kaggle has it, lines of JSON or of words, parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datastill.base.errors import InputError, damaged, reason
from datastill.base.wording import counted
from datastill.datasets.base.names import words_in

TABLES = (".csv", ".tsv", ".jsonl", ".parquet", ".txt")
WORDS = ".txt"
"""Ending of lists of pictures and classes, which have no names of columns."""
LABEL_COLUMNS = (
    *("label", "labels", "class", "classname", "classid", "target", "category", "categoryid"),
    *("species", "breed", "diagnosis", "emotion", "y"),
)
"""What a column of classes is usually called, in letters and digits alone; the first counts."""

SPLIT_COLUMNS = ("split", "set", "subset", "partition", "usage", "dataset", "phase")
"""What a column is called that says of which split a row is."""


@dataclass(frozen=True)
class TextTable:
    """Rows of texts.

    Attributes:
        source: the file, for messages.
        columns: their names.
        rows: the values of each, with the number of the line.
        nested: the columns of which a value is a list or a table.
    """

    source: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[int, Sequence[str]]]
    nested: frozenset[str] = frozenset()

    def headless(self) -> TextTable:
        """Return the same, its first line being a row too."""
        numbered = tuple(str(place) for place in range(len(self.columns)))
        return TextTable(self.source, numbered, [(1, self.columns), *self.rows])

    def column(self, name: str) -> list[str]:
        """Return the values of a column."""
        place = self.columns.index(name)
        return [row[place] for _, row in self.rows]


def read_table(file: Path) -> TextTable:
    """Read a table.

    Raises:
        InputError: when it is damaged: no text, or rows of different lengths.
    """
    if file.suffix.casefold() == ".parquet":
        return _of_parquet(file)
    text = text_of(file)
    if file.suffix.casefold() == WORDS:
        return _of_words(text, file)
    return _of_json(text, file) if file.suffix.casefold() == ".jsonl" else _of_csv(text, file)


def numbers_of(labels: Sequence[str]) -> NDArray[Any]:
    """Return texts as the numbers that they are, which have an order; as they are, if any is none.

    >>> numbers_of(["10", "9"]), numbers_of(["10", "cat"])
    (array([10.,  9.]), array(['10', 'cat'], dtype='<U3'))
    """
    try:
        return np.array([float(label) for label in labels])
    except ValueError:
        return np.array(labels)


def text_of(file: Path) -> str:
    """Return the text in a file.

    Raises:
        InputError: when it cannot be read, or is none in UTF-8.
    """
    with damaged(file):
        try:
            return file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise InputError(f"{file} is no text in UTF-8") from None


def _of_words(text: str, file: Path) -> TextTable:
    # images/001.png 3; what is no such list has no column that names pictures.
    lines = [(number, line.split(maxsplit=1)) for number, line in enumerate(text.splitlines(), 1)]
    rows = [(number, words) for number, words in lines if words]
    sound = all(len(words) == 2 for _, words in rows) and _are_names(
        {w[1] for _, w in rows if w[1:]}
    )
    said = "partition" if "partition" in words_in(file.stem) else "label"  # CelebA's
    return TextTable(str(file), ("", said), rows if sound else [])


def _are_names(said: set[str]) -> bool:
    # Of Boeing 717 and DC-10 one has spaces; 3 5, or cat dog beside cat and dog, are several.
    alone = {name for name in said if len(name.split()) == 1}
    several = said - alone
    return not several or (
        bool(alone)
        and not any("," in name or name.replace(" ", "").isdecimal() for name in several)
        and not any(alone.issuperset(name.split()) for name in several)
    )


def _of_parquet(file: Path) -> TextTable:
    try:
        from pyarrow import parquet, types
    except ImportError:
        return TextTable(str(file), (), [])  # of which readers of parquet say what they need
    with damaged(file, "no parquet file"):
        opened: Any = parquet.ParquetFile(file)
        kinds: Any = types
        if any(_holds_pictures(each.type, kinds) for each in opened.schema_arrow):
            return TextTable(str(file), (), [])  # of itself, whatever lies beside it
        names = [
            each.name
            for each in opened.schema_arrow
            if kinds.is_string(each.type)
            or kinds.is_large_string(each.type)
            or kinds.is_integer(each.type)
            or kinds.is_dictionary(each.type)
        ]
        columns: list[list[Any]] = [opened.read([name])[name].to_pylist() for name in names]
    rows = [
        (number, ["" if value is None else str(value) for value in row])
        for number, row in enumerate(zip(*columns, strict=True), 1)
    ]
    return TextTable(str(file), tuple(names), rows)


def _holds_pictures(kind: Any, kinds: Any) -> bool:
    # Encoded ones, or rows of pixels, of Hugging Face's own type where its library is loaded.
    kind = getattr(kind, "storage_type", kind)
    if kinds.is_struct(kind):
        return any(_holds_pictures(each.type, kinds) for each in kind)
    nested = kinds.is_list(kind) and kinds.is_list(kind.value_type)
    return kinds.is_binary(kind) or kinds.is_large_binary(kind) or nested


def _of_csv(text: str, file: Path) -> TextTable:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter, strict=True)
    rows: list[tuple[int, Sequence[str]]] = []
    with damaged(file):
        columns = tuple(name.strip() for name in next(reader, []))
        for row in reader:
            if not any(row):
                continue
            if len(row) != len(columns):
                raise InputError(
                    f"{file}, line {reader.line_num}: {counted(len(row), 'value')} for "
                    f"{counted(len(columns), 'column')}"
                )
            rows.append((reader.line_num, [value.strip() for value in row]))
    if len(set(columns)) < len(columns):
        raise InputError(f"{file} has two columns of one name: {', '.join(columns)}")
    return TextTable(str(file), columns, rows)


def _of_json(text: str, file: Path) -> TextTable:
    found: list[tuple[int, Mapping[str, object]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            value = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{file}, line {number} is no JSON: {reason(error)}") from None
        if value is None:
            continue
        if not isinstance(value, dict):
            raise InputError(f"{file}, line {number}: expected names and values in braces")
        found.append((number, value))
    columns = tuple(dict.fromkeys(name for _, row in found for name in row))
    rows = [(k, ["" if row.get(c) is None else str(row[c]) for c in columns]) for k, row in found]
    nested = {c for _, row in found for c in row if isinstance(row[c], list | dict)}
    return TextTable(str(file), columns, rows, frozenset(nested))
