"""Locks: one run at a time in one folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from datastill.base.errors import InputError
from datastill.store.checkpoints import ENDING
from datastill.store.files import PARTIAL, writing
from datastill.store.succession import complete

WITHOUT_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL}
"""What file systems answer that know no locks: some of networks, of phones, in user space."""


@contextmanager
def locked(folder: Path, stem: str = "") -> Generator[None]:
    """Keep others out of a folder, or of the files in it that begin with a stem.

    The system lets go of the lock when the process ends, however it ends. Where a file system
    knows no locks, a file names the process that is at work; it counts no more when that has ended,
    which only the machine that it ran on can tell. What a killed process left is put in order:
    checkpoints that are half-written are removed, see also ``succession.complete``. Where what is
    done inside fails, folders that were made for it and hold nothing are gone again.

    Args:
        folder: made where there is none.
        stem: of files, for a folder in which several runs may be at work.

    Raises:
        InputError: when another process has the lock, or the folder cannot be written to.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with _locked(folder, stem):
            yield
    except BaseException:
        for path in made:
            with suppress(OSError):  # one that holds something stays
                path.rmdir()
        raise


@contextmanager
def _locked(folder: Path, stem: str) -> Generator[None]:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = _held(folder / f".{stem}lock")
    try:
        for left in folder.glob(f".{stem}*{ENDING}.*{PARTIAL}"):
            left.unlink(missing_ok=True)
        complete(folder)
        yield
    finally:
        if os.name == "posix":  # still held: whoever waits for it will find another file
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _held(path: Path) -> BaseFileLock:
    lock = FileLock(path, thread_local=False, fallback_to_soft=False)
    try:
        return _taken(lock)
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
    path.unlink(missing_ok=True)
    named = path.with_name(f"{path.name}-by-name")
    return _taken(SoftFileLock(named, thread_local=False), f" (if none is, delete {named})")


def _taken(lock: BaseFileLock, hint: str = "") -> BaseFileLock:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        folder = Path(lock.lock_file).parent
        raise InputError(
            f"another run is at work in {folder}; wait for its end, or take another folder{hint}"
        ) from None
    return lock
