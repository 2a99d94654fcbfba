"""Tables for people: columns side by side as far as they fit, and nothing cut."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from datastill.base.wording import visible
from datastill.report.folding import folded

GAP = "  "
"""Between columns."""
NUMBER = re.compile(r"[-+]?[\d.]|$|-$|none$|nan$|[-+]?inf$")
"""What stands at the right of its column."""
JOINTS = re.compile(r"(?<=[/_.,-])")
"""Where a word that is too long for any line is broken, if it can be: paths, names."""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    r"""Return the lines of a table, numbers to the right of their columns.

    Columns that do not fit beside each other follow below, beside the first column again.

    >>> rows = [("DM", "81.2", "8"), ("random", "70.1", "12")]
    >>> print("\n".join(table(("trained on", "accuracy", "seconds"), rows, 80)))
    trained on  accuracy  seconds
    DM              81.2        8
    random          70.1       12
    >>> print("\n".join(table(("trained on", "accuracy", "seconds"), rows, 25)))
    trained on  accuracy
    DM              81.2
    random          70.1
    <BLANKLINE>
    trained on  seconds
    DM                8
    random           12
    """
    texts = _seen(columns, rows)
    wide = [max(cell_len(row[i]) for row in texts) for i in range(len(columns))]
    wide[0] = min(wide[0], max(width // 2, width - len(GAP) - max(wide[1:], default=0)))
    for place, block in enumerate(_blocks(wide, width)):
        if place:
            yield ""
        yield from _lines(texts, block, wide)


def listing(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    r"""Return the lines of a table of text: columns as wide as it takes, long cells folded.

    >>> rows = [("names", "a, b and all the others"), ("labels", "hard")]
    >>> print("\n".join(listing(("", "digits"), rows, 24)))
            digits
    names   a, b and all the
            others
    labels  hard
    """
    texts, number = _seen(columns, rows), len(columns)
    wide = [max(cell_len(row[i]) for row in texts) for i in range(number)]
    wide[0] = min(wide[0], max(width // 2, width - sum(len(GAP) + one for one in wide[1:])))
    left = width - sum(wide[:1]) - len(GAP) * (number - 1)
    for i in range(1, number):
        wide[i] = min(wide[i], max(1, left // (number - i)))
        left -= wide[i]
    yield from _lines(texts, range(number), wide, text=True)


def _seen(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[visible(cell) for cell in row] for row in (columns, *rows)]


def _blocks(wide: Sequence[int], width: int) -> Iterator[list[int]]:
    block, used = [0], wide[0]
    for i in range(1, len(wide)):
        if len(block) > 1 and used + len(GAP) + wide[i] > width:
            yield block
            block, used = [0], wide[0]
        block.append(i)
        used += len(GAP) + wide[i]
    yield block


def _lines(
    texts: Sequence[Sequence[str]], block: Sequence[int], wide: Sequence[int], *, text: bool = False
) -> Iterator[str]:
    right = {i: not text and all(NUMBER.match(row[i]) for row in texts[1:]) for i in block if i}
    for row in texts:
        cells = [_folded(row[i], wide[i]) for i in block]
        for k in range(max(map(len, cells))):
            parts = [cell[k] if k < len(cell) else "" for cell in cells]
            padded = (
                _padded(part, wide[i], right=right.get(i, False))
                for part, i in zip(parts, block, strict=True)
            )
            yield GAP.join(padded).rstrip()


def _folded(cell: str, width: int) -> list[str]:
    indent = cell[: len(cell) - len(cell.lstrip())]
    words = [part for word in cell.split() for part in _parts(word, width - len(indent))]
    return folded(indent + " ".join(words), width).split("\n") if words else [""]


def _parts(word: str, width: int) -> Iterator[str]:
    if cell_len(word) <= width:
        yield word
        return
    held = ""
    for joint in JOINTS.split(word):
        for letter in [joint] if cell_len(joint) <= width else joint:
            if held and cell_len(held + letter) > width:
                yield held
                held = ""
            held += letter
    if held:
        yield held


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * max(0, width - cell_len(text))
    return space + text if right else text + space
