"""Words for what a person reads."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

LONGEST_NAME = 255
"""Bytes that file systems take."""
LONGEST_WORD = 1000
"""Letters of a word that a message shows whole: paths are shorter."""
MOST_SHOWN = 40
"""Letters of a value that a message shows."""
JOINERS = "\u200c\u200d"
"""Unseen, and part of how Persian, Hindi and pictures of families are written."""


def readable(text: str) -> bool:
    r"""Tell whether people can read a text: letters, signs and spaces of any script.

    What a terminal obeys is none of these, nor what turns the direction of a line.

    >>> readable("写真\u3000１"), readable("می\u200cخوانم"), readable("a\x1b[2Jb"), readable("a\n")
    (True, True, False, False)
    """
    return text.isprintable() or all(map(_is_read, text))


def _is_read(letter: str) -> bool:
    return letter.isprintable() or letter in JOINERS or unicodedata.category(letter) == "Zs"


def visible(text: str, but: str = "\t\n") -> str:
    r"""Write out what cannot be read, in Python's way.

    Args:
        text: of which names in files of others may be part.
        but: what stays as it is: tabs and ends of lines.

    >>> print(visible("a\x1b[2Jb\n"), end="")
    a\x1b[2Jb
    """
    if text.isprintable():
        return text
    return "".join(one if one in but or _is_read(one) else ascii(one)[1:-1] for one in text)


def counted(number: int, noun: str) -> str:
    """Say how many there are.

    >>> counted(1, "image"), counted(0, "network"), counted(20_000, "update"), counted(2, "class")
    ('1 image', '0 networks', '20000 updates', '2 classes')
    """
    plural = "es" if noun.endswith("ss") else "s"
    return f"{number} {noun}{plural * (number != 1)}"


def are(number: int) -> str:
    """Return the verb for a number of things.

    >>> are(1), are(0)
    ('is', 'are')
    """
    return "is" if number == 1 else "are"


def duration(seconds: float) -> str:
    """Say a duration as people do.

    >>> duration(42), duration(600), duration(9000), duration(2_436_191)
    ('42 s', '10 min', '2.5 h', '28 days')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"


def sized(number: int) -> str:
    """Say how large a file is.

    >>> sized(12), sized(26_237), sized(1_400_000), sized(3 * 10**9)
    ('12 B', '26 kB', '1.4 MB', '3.0 GB')
    """
    if number < 1000:
        return f"{number} B"
    if number < 999_500:
        return f"{number / 1e3:.0f} kB"
    return f"{number / 1e6:.1f} MB" if number < 999_950_000 else f"{number / 1e9:.1f} GB"


def some(names: Sequence[str], most: int = 3) -> str:
    """Say the first of many names.

    >>> some(["a", "b", "c"]), some(["a", "b", "c", "d"])
    ('a, b, c', 'a, b, c, ...')
    """
    return ", ".join(names[:most]) + ", ..." * (len(names) > most)


def listed(names: Sequence[str], word: str = "and") -> str:
    """Say several things one after another.

    >>> listed(["DC"]), listed(["DC", "DM", "DSA"]), listed(["a", "b"], "or")
    ('DC', 'DC, DM and DSA', 'a or b')
    """
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last


def quoted(text: str, most: int = 60) -> str:
    """Return what was typed in quotation marks; of a long text the beginning, and how long it is.

    >>> quoted("DM:ten"), quoted("9" * 5000, 5)
    ("'DM:ten'", "'99999...', 5000 letters")
    """
    return (
        repr(text)
        if len(text) <= most
        else f"{text[:most] + '...'!r}, {counted(len(text), 'letter')}"
    )


def shown(value: Any) -> str:
    """Return a value as a message shows it: itself where it is short, or else what it is.

    >>> shown([1, 2]), shown([1] * 100), shown(10**50)
    ('[1, 2]', 'a list', 'a number of 51 digits')
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, int) and abs(value) >= 10**MOST_SHOWN:  # Python writes 4300 digits at most
        return f"a number of {Decimal(value).adjusted() + 1} digits"
    text = _own_words(value)
    if 0 < len(text) <= MOST_SHOWN and readable(text):
        return text
    name, kind = _name(value), type(value).__name__
    if kind == "bool":  # numpy's, which is not Python's
        kind = f"{type(value).__module__}.{kind}"
    article = "an" if kind[0].lower() in "aeiou" or kind == "ndarray" else "a"
    return f"{article} {kind} {name}" if isinstance(name, str) else f"{article} {kind}"


def _name(value: Any) -> Any:
    try:
        return getattr(value, "__name__", None)
    except Exception:  # of a class whose own code fails
        return None


def _own_words(value: Any) -> str:
    try:
        return repr(value) if isinstance(value, str | int | float | tuple | list | None) else ""
    except Exception:  # of a list whose things cannot be shown, or that is as deep as Python goes
        return ""


def printable(name: str) -> str:
    r"""Return a name as it can be shown and kept: one of odd characters in the way of Python.

    >>> printable("cat.png"), printable("a\nb")
    ('cat.png', "'a\\nb'")
    """
    return name if readable(name) else ascii(name)


def one_line(text: str) -> str:
    r"""Return a message as one line, whatever the names in it hold: odd letters in Python's way.

    >>> one_line("no image set at a\nb\x1b[31m"), one_line("x" * 5000)[-20:]
    ('no image set at a\\nb\\x1b[31m', 'xx... (5000 letters)')
    """
    return re.sub(rf"\S{{{LONGEST_WORD + 1},}}", _beginning, visible(text, but=""))


def _beginning(word: re.Match[str]) -> str:
    return f"{word[0][:MOST_SHOWN]}... ({counted(len(word[0]), 'letter')})"


def as_folder(name: str) -> str:
    """Return a name that a file may have given as that of one folder, which leads to no other.

    >>> as_folder("digits"), as_folder("../../away"), as_folder("..")
    ('digits', '.._.._away', '_')
    """
    one = re.sub(r"[/\\\0]", "_", name)
    while len(one.encode(errors="replace")) > LONGEST_NAME:
        one = one[:-1]
    return "_" if one in ("", ".", "..") else one
