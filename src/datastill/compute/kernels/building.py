"""Kernels are built once for each set of instructions, and kept where nobody else can write."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from datastill.base import machine
from datastill.base.waits import awaited
from datastill.compute.kernels.source import SOURCE, Instructions, built_name, named

BUILD_SECONDS = 600
"""A busy machine with a slow disk takes its time; a compiler that hangs is given up."""

_log = logging.getLogger("datastill")


class Unavailable(Exception):
    """There are no kernels to load; says why, in one phrase."""


def built(best: Instructions) -> Path:
    """Return the file of the kernels for a set of instructions, built now if nobody has before.

    It is known by source, compiler and set of instructions, so that processors of several kinds
    can share a home, and by its own digest: one that was cut off, or is another, is built again.

    Raises:
        Unavailable: where there is no compiler, it fails, or there is no place that is safe.
    """
    compiler = _compiler()
    if compiler is None:
        raise Unavailable("no g++ was found")
    if not hasattr(os, "geteuid"):  # as on Windows
        raise Unavailable("this system does not tell whose a folder is")
    try:
        return _kept(compiler, best)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"they could not be built: {_said(error)}") from None


def _compiler() -> str | None:
    return shutil.which(os.environ.get("CXX", "g++")) or shutil.which("g++")


def _kept(compiler: str, best: Instructions) -> Path:
    name = _name(compiler, best)
    folder = machine.cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if trouble := untrusted(folder):
        raise Unavailable(
            f"{folder} {trouble}, who could put anything in their place: remove it, or let "
            "XDG_CACHE_HOME name a folder of your own"
        )
    if (file := _found(folder, name)) is not None:
        return file
    with (
        awaited("waiting for another process, which builds datastill's kernels"),
        _alone(Path(tempfile.gettempdir(), f"datastill-{os.geteuid()}-{name}.lock")),
    ):
        return _found(folder, name) or _made(folder, name, [compiler, *best.options], best)


def _name(compiler: str, best: Instructions) -> str:
    return built_name(SOURCE, best, _told(compiler, "--version"))


def superseded(best: Instructions) -> list[Path]:
    """Return the kernels that are kept for a set of instructions, of another source or compiler.

    Those of other sets, which other machines that share the folder may need, are not among them.
    """
    compiler = _compiler()
    if compiler is None:
        return []
    try:
        held = sorted(machine.cache_folder().glob(f"layers-{best.name}-*.so"))
    except OSError:  # where nothing can be kept
        return []
    now = f"{_name(compiler, best)}-"
    return [path for path in held if not path.name.startswith(now)]


def _found(folder: Path, name: str) -> Path | None:
    for file in sorted(folder.glob(f"{name}-*.so")):
        if file.name == named(name, file) and not untrusted(file):
            return file
    return None


@contextlib.contextmanager
def _alone(path: Path) -> Generator[None]:
    # One process of a machine builds, others wait for it; where nothing is locked each builds.
    lock = FileLock(path, timeout=BUILD_SECONDS, mode=0o600)
    try:
        lock.acquire()
    except (OSError, Timeout, NotImplementedError):
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _made(folder: Path, name: str, compile: Sequence[str], best: Instructions) -> Path:
    there = sorted(folder.glob(f"{name}-*.so"))
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for number, file in enumerate(there):  # out of the way, and away with the folder
            file.replace(Path(scratch) / f"bad-{number}")
        made = Path(scratch) / "made.so"
        _log.info("building datastill's kernels for %s: some seconds, once", best.name)
        command = [*compile, str(SOURCE), "-o", str(made)]
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=BUILD_SECONDS,
        )
        made.chmod(0o700)
        return made.replace(folder / named(name, made))


def untrusted(path: Path) -> str:
    """Say who else than this user can change a file or folder: empty where nobody can."""
    found = path.stat()
    if found.st_uid not in (os.geteuid(), 0):
        return f"belongs to another user ({found.st_uid})"
    if found.st_mode & stat.S_IWOTH:
        return "can be written by everybody"
    if found.st_mode & stat.S_IWGRP and not _private(found.st_gid):
        return f"can be written by others, of the group {found.st_gid}"
    return ""


def _private(group: int) -> bool:
    # Whether a group is this user's alone, as many systems give each user one.
    import grp
    import pwd

    with contextlib.suppress(KeyError):
        user = pwd.getpwuid(os.geteuid())
        known = grp.getgrgid(group)
        mine = known.gr_gid == user.pw_gid and known.gr_name == user.pw_name
        return mine and set(known.gr_mem) <= {user.pw_name}
    return False


def _told(*command: str) -> str:
    found = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", timeout=60, input=""
    )
    return found.stdout + found.stderr


def _said(error: Exception) -> str:
    lines: Iterator[str] = iter(f"{getattr(error, 'stderr', None) or error}".strip().splitlines())
    return next(lines, type(error).__name__)[:200]
