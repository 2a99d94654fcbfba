"""What may go without losing a result: what killed runs left, and what nobody needs any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from datastill.base.errors import InputError
from datastill.base.waits import awaited
from datastill.compute.kernels import superseded
from datastill.runs.housekeeping.inventory import USUAL, bytes_in, walked
from datastill.runs.housekeeping.state import begun_in, needless_pieces
from datastill.store.clearing import halves_in, is_own, remove, remove_from
from datastill.store.locks import at_work, locks_in


@dataclass(frozen=True)
class Leftover:
    """Something that may go.

    Attributes:
        path: of a file or folder.
        bytes: that it takes.
        why: what it is, and why nobody needs it.
        folder: of the run that it is of; None where it is of none.
    """

    path: Path
    bytes: int
    why: str
    folder: Path | None


@dataclass(frozen=True)
class Cleaned:
    """What may go, and what is gone.

    Attributes:
        left: what may go.
        deleted: what is gone; None where that was not asked for.
    """

    left: tuple[Leftover, ...]
    deleted: tuple[Leftover, ...] | None = None


def leftovers(paths: Sequence[Path | str] = ()) -> list[Leftover]:
    """Return what may go without losing a result. Nothing is changed.

    That is checkpoints and pieces of runs that are finished, locks of processes that are gone,
    files that were half-written, and kernels of other versions. Never among them: a set, an
    original model, a record, what a run goes on from that is not finished, anything of a run that
    goes on, files of others, and what a link leads to.

    Args:
        paths: folders to look into; by default those of ``USUAL`` that are here and are no links,
            and datastill's folder for what can be made again.

    Raises:
        InputError: for a path that is no folder, and folders that are too many.
    """
    usual = [Path(name) for name in USUAL if Path(name).is_dir() and not Path(name).is_symlink()]
    found: list[Leftover] = []
    for place in map(Path, paths or usual):
        if not place.is_dir():
            raise InputError(f"there is no folder {place}; name one that holds what runs made")
        with awaited(f"looking at what may go in {place}"):
            for folder, one in walked(place):
                found += _left_in(folder) if one is not None else ()  # others' locks are theirs
    if not paths:
        found += [_leftover(path, "kernels of another version", None) for path in superseded()]
    return [one for one in found if is_own(one.path)]


def clean(found: Sequence[Leftover]) -> Cleaned:
    """Remove what ``leftovers`` found, as far as that still holds.

    Each folder is looked at again while other runs are kept out of it; one in which a run is at
    work is left as it is.
    """
    gone: set[Path] = set()
    for folder, some in groupby(found, key=lambda one: one.folder):
        paths = [one.path for one in some]
        held = partial(_still, folder, paths) if folder else None
        gone.update(remove_from(folder, held) if folder and held else remove(paths))
    left, deleted = ([one for one in found if (one.path in gone) == is_gone] for is_gone in (0, 1))
    return Cleaned(tuple(left), tuple(deleted))


def _still(folder: Path, paths: Sequence[Path]) -> list[Path]:
    now = {one.path for one in _may_go(folder)}
    return [path for path in paths if path in now or path in locks_in(folder)]


def _left_in(folder: Path) -> list[Leftover]:
    if at_work(folder):
        return []
    return [
        *(_leftover(path, "a lock of a process that is gone", folder) for path in locks_in(folder)),
        *_may_go(folder),
    ]


def _may_go(folder: Path) -> Iterator[Leftover]:
    for one in begun_in(folder):
        for path in one.files if one.is_finished else ():
            yield _leftover(path, f"a checkpoint of a finished '{one.kind}'", folder)
    for path in halves_in(folder):
        yield _leftover(path, "half of a file, of a process that was killed", folder)
    for path in needless_pieces(folder):
        yield _leftover(path, "pieces of a finished run", folder)


def _leftover(path: Path, why: str, folder: Path | None) -> Leftover:
    size = bytes_in(path) if path.is_dir() and not path.is_symlink() else path.lstat().st_size
    return Leftover(path, size, why, folder)
