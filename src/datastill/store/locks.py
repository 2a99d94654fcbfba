"""Locks: one run at a time in one folder."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from datastill.base.errors import InputError
from datastill.store.checkpoints import ENDING
from datastill.store.files import PARTIAL, writing
from datastill.store.succession import complete

try:
    import fcntl
except ImportError:  # as on Windows
    fcntl = None

BY_NAME = "-by-name"
LOCK = re.compile(rf"\.([\w.-]+\.)?lock({BY_NAME})?")
"""Names of the files of locks."""
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


def locks_in(folder: Path) -> list[Path]:
    """Return the files of locks in a folder, held or left behind."""
    found = [path for path in folder.glob(".*lock*") if LOCK.fullmatch(path.name)]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def at_work(folder: Path) -> bool:
    """Tell whether a process is at work in a folder, or on files in it."""
    return any(is_held(path) for path in locks_in(folder))


def is_held(path: Path) -> bool:
    """Tell whether a process has the lock of a file; it is left as it is."""
    if path.name.endswith(BY_NAME) or fcntl is None:
        return _is_named(path)
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:  # gone, or none of this user's business
        return False
    try:
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(opened)
    return False


def drop(path: Path) -> None:
    """Remove the file of a lock that nobody holds; one that is held stays."""
    if (lock := _free(path)) is not None:
        path.unlink(missing_ok=True)
        lock.release()


def _is_named(path: Path) -> bool:
    # By the process that a file names, or by the way of systems that have no other.
    lock = _free(path)
    if lock is not None:
        lock.release()
    return lock is None


def _free(path: Path) -> BaseFileLock | None:
    # The lock of a file, held now; None where somebody else has it.
    kind = SoftFileLock if path.name.endswith(BY_NAME) else FileLock
    lock = kind(path, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except (Timeout, OSError):
        return None
    return lock


def _held(path: Path) -> BaseFileLock:
    lock = FileLock(path, thread_local=False, fallback_to_soft=False)
    try:
        return _taken(lock)
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
    path.unlink(missing_ok=True)
    named = path.with_name(f"{path.name}{BY_NAME}")
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
