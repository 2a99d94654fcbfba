"""What the first line of a CSV file of pixels says, and its rows where that says nothing."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from datastill.base.errors import InputError, damaged
from datastill.base.registry import folded
from datastill.base.wording import counted
from datastill.datasets.base.reading import Reading
from datastill.datasets.base.tables import LABEL_COLUMNS, SPLIT_COLUMNS

LEAST = 8
DELIMITERS = ",;\t"
NUMBERS_OF_ROWS = ("", "unnamed0", "index", "id")
"""What a column is called that counts the rows, in letters and digits alone."""

SOME_ROWS = 100
"""Rows of a file that show how bright its pixels are."""

COMMONEST = 0.9
"""Share of the rows that are of one class at most, where nothing but their values tells classes."""


@dataclass(frozen=True)
class Head:
    """What the first line of a file says.

    Attributes:
        file: that it is of.
        names: of the columns, if it has names.
        label: the place of the classes; None if it has none.
        pixels: the places of the pixels in their order, or that of a text of them.
        split: the place of what says of which split a row is; None if nothing does.
        delimiter: what is between values.
        width: values of a row.
        unsaid: whether it says nothing of the classes, which come first or last.
    """

    file: Path
    names: bool
    label: int | None
    pixels: tuple[int, ...]
    split: int | None = None
    delimiter: str = ","
    width: int = 0
    unsaid: bool = False

    @property
    def side(self) -> int:
        """The pixels of a side."""
        return math.isqrt(len(self.pixels))

    def labelled_at(self, label: int) -> Head:
        """Return the same with the classes at another place."""
        pixels = tuple(i for i in range(self.width) if i != label)
        return replace(self, label=label, pixels=pixels, unsaid=False)


def head_of(file: Path, reading: Reading) -> Head | None:
    """Return what the first line of a file says; None if it has no pixels.

    Raises:
        InputError: when it cannot be read.
    """
    with damaged(file), file.open(encoding="utf-8-sig", newline="") as opened:
        try:
            lines = [opened.readline(2**20), opened.readline(2**20)]
        except UnicodeDecodeError:
            return None
    cut = max(DELIMITERS, key=lines[0].count)
    first, second = ([v.strip() for v in next(csv.reader([x], delimiter=cut), [])] for x in lines)
    if _are_numbers(first):
        label = None if is_square(len(first)) else 0
        pixels = tuple(range(len(first)))[0 if label is None else 1 :]
        counting = [float(value) for value in first]
        names = counting in (list(range(len(first))), list(range(1, len(first) + 1)))
        head = Head(file, names, label, pixels, None, cut, len(first), unsaid=label is not None)
        return head if is_square(len(pixels)) else None
    known = [reading.labels] if reading.labels else list(LABEL_COLUMNS)
    plains = [name if reading.labels else folded(name) for name in first]
    label = next((plains.index(name) for name in known if name in plains), None)
    split = next((i for i, name in enumerate(first) if folded(name) in SPLIT_COLUMNS), None)
    text = next((i for i, v in enumerate(second) if is_square(len(v.split())) and " " in v), None)
    if text is not None:
        return Head(file, True, label, (text,), split, cut, len(first))
    pixels = _pixels(first, label)
    return Head(file, True, label, pixels, None, cut, len(first)) if pixels else None


def settled(head: Head) -> Head:
    """Return a head that says where the classes are, of which none does; all rows are looked at.

    Raises:
        InputError: when both ends of the rows may hold classes, or rows are not as long.
    """
    firsts, lasts = ends_of(head)
    if not head.unsaid:
        return head
    first, last = len(set(firsts)), len(set(lasts))
    if first < 2 <= last:
        return head.labelled_at(head.width - 1)
    if not _are_classes(lasts):
        return head.labelled_at(0)
    if 2 * last <= first and _may_be_pixels(firsts, head):
        return head.labelled_at(head.width - 1)
    if _are_classes(firsts) and 2 * first <= last and _may_be_pixels(lasts, head):
        return head.labelled_at(0)
    raise InputError(
        f"{head.file}: its first and its last column may both hold classes; name them in a first "
        "line, such as label,pixel0,pixel1,..."
    )


def ends_of(head: Head) -> tuple[list[str], list[str]]:
    """Return the first and the last value of every row.

    Raises:
        InputError: for rows of another length, and when there are none.
    """
    firsts, lasts = list[str](), list[str]()
    with damaged(head.file), head.file.open(encoding="utf-8-sig") as opened:
        for number, line in enumerate(opened, 1):
            if not line.strip():
                continue
            first, last, width = _ends(line.rstrip("\n"), head.delimiter)
            if width != head.width:
                raise InputError(
                    f"{head.file}, line {number}: {counted(width, 'value')}, but the first line "
                    f"has {head.width}"
                )
            firsts.append(first.strip())
            lasts.append(last.strip())
    skipped = int(head.names)
    if len(firsts) <= skipped:
        raise InputError(f"{head.file} holds no images")
    return firsts[skipped:], lasts[skipped:]


def is_square(count: int) -> bool:
    """Tell whether so many pixels are a square of at least ``LEAST`` a side."""
    return math.isqrt(count) >= LEAST and math.isqrt(count) ** 2 == count


def _ends(line: str, delimiter: str) -> tuple[str, str, int]:
    if '"' in line:
        (row,) = csv.reader([line], delimiter=delimiter, strict=True)
        return row[0], row[-1], len(row)
    return (
        line.partition(delimiter)[0],
        line.rpartition(delimiter)[2],
        line.count(delimiter) + 1,
    )


def _pixels(names: Sequence[str], label: int | None) -> tuple[int, ...] | None:
    # The places of pixels, in the order of their numbers where the names of all are numbered.
    places = [i for i in range(len(names)) if i != label]
    if not is_square(len(places)):
        places = [i for i in places if folded(names[i]) not in NUMBERS_OF_ROWS]
    if not is_square(len(places)):
        return None
    parts = [re.fullmatch(r"(\D*)(\d+)", names[i]) for i in places]
    found = {int(part[2]): i for part, i in zip(parts, places, strict=True) if part}
    words = {part[1] for part in parts if part}
    if len(found) == len(places) and len(words) == 1:
        return tuple(place for _, place in sorted(found.items()))
    return tuple(places)


def _are_classes(values: Sequence[str]) -> bool:
    # Whether several classes of several images each may be told by a column.
    often = Counter(values).most_common()
    several = len(often) > 1 and 2 * len(often) <= len(values)
    return several and often[0][1] <= COMMONEST * len(values)


def _may_be_pixels(values: Sequence[str], head: Head) -> bool:
    # Whether none is above all pixels that are surely some: a class of black and white images is.
    with damaged(head.file), head.file.open(encoding="utf-8-sig", newline="") as opened:
        rows = islice(csv.reader(opened, delimiter=head.delimiter), int(head.names), SOME_ROWS)
        brightest = max(float(value) for row in rows for value in row[1:-1])
        return max(map(float, values)) <= brightest


def _are_numbers(values: Sequence[str]) -> bool:
    try:
        return bool(values) and all(math.isfinite(float(value)) for value in values)
    except ValueError:
        return False
