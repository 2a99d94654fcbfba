"""A run that fails before anything came of it leaves its folder as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from datastill.store.succession import NEXT, OWN

OF_A_RUN = (*OWN, NEXT)
SMALL = (".toml", ".json")
"""Endings of files that a run writes before it begins, where others may be already."""


@dataclass(frozen=True)
class Held:
    """What was there before.

    Attributes:
        stamp: tells whether it was touched since.
        content: of a small file.
    """

    stamp: tuple[int, ...]
    content: bytes | None

    @classmethod
    def at(cls, path: Path) -> Held:
        """Return it."""
        found = path.lstat()
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        if path.is_dir():
            return cls(stamp if path.name == NEXT else (), None)  # what is in others is not ours
        return cls(stamp, path.read_bytes() if path.suffix in SMALL else None)


@contextmanager
def provisional(
    folder: Path, begun: Callable[[], bool], names: Sequence[str] = OF_A_RUN
) -> Generator[None]:
    """Take back what is written inside, where it fails before anything came of it.

    Files that are new then are removed, and descriptions and settings say what they said before,
    unless what they were of was given up for the new run. What has other names stays.

    Args:
        folder: of the run, which nobody else works in meanwhile: see ``locked``.
        begun: tells whether something came of it, or can be gone on with.
        names: of what it may write, by patterns.
    """
    held = _held(folder, names)
    try:
        yield
    except Exception:
        if not begun():
            with suppress(OSError):  # the disk is full, say: what is to be told is that
                _restore(held, _held(folder, names))
        raise


def _restore(before: dict[Path, Held], now: dict[Path, Held]) -> None:
    kept = all(now.get(path) == one for path, one in before.items() if one.content is None)
    for path in (path for path, one in now.items() if before.get(path) != one):
        content = before[path].content if kept and path in before else None
        if content is not None:
            path.write_bytes(content)
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _held(folder: Path, names: Sequence[str]) -> dict[Path, Held]:
    return {path: Held.at(path) for name in names for path in folder.glob(name)}
