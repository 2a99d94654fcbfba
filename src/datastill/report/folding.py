"""Lines no wider than where they are read: broken between words; commands still run."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.cells import cell_len

from datastill.base.wording import visible

FRAME = "╭╮╰╯│─┌┐└┘├┤┬┴┼━┏┓┗┛┃┡┩╇╈"
"""What boxes are drawn of: their lines are as wide as they have to be."""
COMMAND = re.compile(r" +(\S*/)?(datastill|python3?|tensorboard|trackio)\b")


def width_of(stream: TextIO) -> int | None:
    """Return how many columns there are: those of ``COLUMNS``, or of the terminal, or None.

    A file or another program gets its lines whole.
    """
    said = os.environ.get("COLUMNS", "")
    if re.fullmatch(r"[1-9]\d{0,4}", said):
        return int(said)
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):  # a terminal that does not tell, or none but in name
        return None


def folded(text: str, width: int | None) -> str:
    r"""Break lines that are wider than ``width`` between words.

    What goes on has the indentation of its line. An indented line that begins with a program is
    there to be pasted: it goes on after a backslash, and is broken before options. What a terminal
    would obey is written out.

    >>> print(folded("one two three four five six", 20))
    one two three four
    five six
    >>> print(folded("  datastill distill --dataset digits --ipc 1", 40))
      datastill distill --dataset digits \
        --ipc 1
    """
    text = visible(text)
    if width is None:
        return text
    return "\n".join(broken for line in text.split("\n") for broken in _broken(line, width))


def wrapped(names: Sequence[str], width: int = 30, most: int = 4) -> list[str]:
    r"""Break names that are too long for an axis into lines, cut if they differ before that.

    >>> wrapped(["synthetic, ConvNetD1W16, dsa, 30 epochs, seed 3"])
    ['synthetic, ConvNetD1W16, dsa,\n30 epochs, seed 3']
    """
    cut = [textwrap.fill(one, width, max_lines=most, placeholder=" …") for one in names]
    told_apart = len(set(cut)) == len(set(names))
    return cut if told_apart else [textwrap.fill(one, width) for one in names]


def _broken(line: str, width: int) -> Iterator[str]:
    if cell_len(line) <= width or line.lstrip()[:1] in FRAME:  # an empty line is in anything
        yield line
        return
    indent = line[: len(line) - len(line.lstrip())]
    if not COMMAND.match(line):
        yield from _filled(line.split(), width, indent, indent)
        return
    *most, last = _filled(_pieces(line), width - 2, indent, indent + "  ")
    yield from (f"{part} \\" for part in most)
    yield last


def _filled(words: Sequence[str], width: int, indent: str, then: str) -> Iterator[str]:
    held, begun = indent, False
    for word in words:
        if begun and cell_len(held) + 1 + cell_len(word) > width:
            yield held
            held, begun = then, False
        held += (" " if begun else "") + word
        begun = True
    yield held


def _pieces(command: str) -> list[str]:
    # Words as a shell reads them, an option together with its values.
    pieces: list[str] = []
    for word in re.findall(r"""(?:[^\s"']|"[^"]*"|'[^']*'|["'])+""", command):
        if pieces and pieces[-1].startswith("--") and not word.startswith("--"):
            pieces[-1] += f" {word}"
        else:
            pieces.append(word)
    return pieces
