"""Files that come from elsewhere: each lies once on a machine, by its digest, whoever needs it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from datastill.store.files import put_file
from datastill.store.locks import LOCK

STORE = "store"
"""Folder in which every file lies once, by its digest."""


@dataclass(frozen=True)
class Sent:
    """A file that comes from elsewhere.

    Attributes:
        target: where it is to lie.
        digest: of its content.
        content: returns that, as an array of bytes; asked where it is not there yet.
        own: whether it is a copy that may be written to and removed; it does not replace another.
    """

    target: Path
    digest: str
    content: Callable[[], Any]
    own: bool


def lay(files: Iterable[Sent], base: Path, *folders: Path) -> None:
    """Lay files under a folder of a machine, for any number of processes.

    Args:
        files: of which all that are not ``own`` are links to one.
        base: the folder, which nobody else may look into.
        folders: to be made besides.

    Raises:
        OSError: when that cannot be written.
    """
    base.mkdir(mode=0o700, exist_ok=True)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    with FileLock(base / "lock"):
        for file in files:
            target, stored = file.target, base / STORE / file.digest
            if not stored.exists():
                with _replacing(stored) as scratch:
                    file.content().tofile(scratch)
            if file.own and not target.exists():
                with _replacing(target) as scratch:
                    shutil.copyfile(stored, scratch)
            if not (file.own or (target.exists() and target.samefile(stored))):
                with _replacing(target) as scratch:
                    os.link(stored, scratch)


def written_in(folder: Path, besides: Iterable[Path]) -> list[Path]:
    """Return the files in a folder but for locks, and but for some."""
    every = {file for file in folder.rglob("*") if file.is_file()} - {*besides}
    return sorted(file for file in every if not LOCK.fullmatch(file.name))


def take_back(folder: Path, files: Iterable[tuple[Path, bytes]], gone: Iterable[Path] = ()) -> None:
    """Write what was written elsewhere, in its order, and remove what was removed there.

    Args:
        folder: in which it is to lie.
        files: paths in it, and contents.
        gone: paths in it.

    Raises:
        InputError: when it cannot be written.
    """
    for path in gone:
        (folder / path).unlink(missing_ok=True)
    for path, content in files:
        put_file(folder / path, content)


@contextmanager
def _replacing(target: Path) -> Generator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    try:
        yield scratch
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
