"""Locks: one run at a time in one folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from datastill.artifacts.checkpoints import ENDING
from datastill.artifacts.files import PARTIAL, writing
from datastill.errors import InputError


@contextmanager
def locked(folder: Path, stem: str = "") -> Generator[None]:
    """Keep others out of a folder, or of the files in it that begin with a stem.

    The system lets go of the lock when the process ends, however it ends. Checkpoints that
    a killed one left half-written are removed.

    Args:
        folder: made where there is none.
        stem: of files, for a folder in which several runs may be at work.

    Raises:
        InputError: when another process has the lock, or the folder cannot be written to.
    """
    path = folder / f".{stem}lock"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        held = _held(path)
    try:
        for left in folder.glob(f".{stem}*{ENDING}.*{PARTIAL}"):
            left.unlink(missing_ok=True)
        yield
    finally:
        path.unlink(missing_ok=True)  # still held: whoever waits for it will find another file
        os.close(held)


def _held(path: Path) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
                return file
        except BlockingIOError:
            os.close(file)
            raise InputError(
                f"another run is at work in {path.parent}; wait for its end, or take another folder"
            ) from None
        except FileNotFoundError:
            pass  # let go of and removed, just now
        os.close(file)
