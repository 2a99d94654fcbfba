"""Paths of files and folders that are to be written."""

from __future__ import annotations

from pathlib import Path

from datastill.base.errors import InputError


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
