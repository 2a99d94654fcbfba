"""What killed processes left is removed: a user's own files, and nothing that a link leads to."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from datastill.base.errors import InputError
from datastill.store.files import PARTIAL
from datastill.store.locks import at_work, drop, locked, locks_in

HALF = re.compile(rf"\..+\.(\d+){re.escape(PARTIAL)}")


def is_own(path: Path) -> bool:
    """Tell whether a file or folder is there, is no link, and is this user's."""
    try:
        found = path.lstat()
    except OSError:
        return False
    mine = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    return mine and not path.is_symlink()


def remove(paths: Sequence[Path]) -> list[Path]:
    """Remove files and folders of this user's own; return those that are gone."""
    for path in filter(is_own, paths):
        with suppress(OSError):  # a folder that cannot be written to keeps what it has
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return [path for path in paths if not os.path.lexists(path)]


def remove_from(folder: Path, chosen: Callable[[], Sequence[Path]]) -> list[Path]:
    """Remove what is chosen in the folder of a run, while nobody else is at work there.

    Args:
        folder: of the run.
        chosen: says what, once others are kept out.

    Returns:
        What is gone: nothing where somebody is at work, or the folder cannot be written to.
    """
    if at_work(folder):
        return []
    broken = [path for path in locks_in(folder) if is_own(path)]
    try:
        with locked(folder):
            wanted = [*chosen()]
            for path in broken:
                if path in wanted:
                    drop(path)
            gone = remove([path for path in wanted if path not in broken])
    except InputError:
        return []
    return [*gone, *(path for path in broken if path in wanted and not path.exists())]


def halves_in(folder: Path) -> list[Path]:
    """Return files in a folder that were half-written by processes that are gone."""
    named = ((HALF.fullmatch(path.name), path) for path in sorted(folder.glob(f".*{PARTIAL}")))
    return [path for name, path in named if name and not _is_alive(int(name[1]))]


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        return True  # there a signal of no kind would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
