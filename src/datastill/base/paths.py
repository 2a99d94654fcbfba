"""Paths of files and folders as people write them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from datastill.base.errors import InputError


def from_home(path: str) -> str:
    """Return a path whose ``~`` at the front, the person's home, is written out.

    >>> from_home("a/~/b"), from_home("~a"), from_home("~/a").endswith("~/a")
    ('a/~/b', '~a', False)
    """
    home = path == "~" or path.startswith(("~/", f"~{os.sep}"))
    return os.path.expanduser(path) if home else path  # noqa: PTH111 - Path's raises without one


def from_home_in(words: Iterable[str]) -> list[str]:
    """Return the words of a command, with ``~`` written out where the shell left it.

    Shells do so in words of their own, not behind ``=`` nor in quotes: without this a folder
    named ``~`` would be made.

    >>> from_home_in(["all", "--note=a~/b"])
    ['all', '--note=a~/b']
    """
    parts = (re.fullmatch(r"(--[\w-]+=)?(.*)", word, re.DOTALL) for word in words)
    return [(part[1] or "") + from_home(part[2]) for part in parts if part]


def require_file(path: Path | None, said: str, ending: str, kind: str, usual: str) -> None:
    """Refuse what does not name a file of a kind to be written; None is none that was given.

    Args:
        path: of the file.
        said: what it was given as.
        ending: of its name.
        kind: what is written.
        usual: name of a file of that kind.
    """
    if path is not None and path.is_dir():
        raise InputError(f"{said} names a file, and {path} is a folder: {path / usual}")
    if path is not None and path.suffix.lower() != ending:
        raise InputError(f"{said} writes {kind}: name it {path.with_suffix(ending)}")


def same_place(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file or folder that is there, by whatever links."""
    try:
        return one.samefile(other)
    except OSError:
        return False
