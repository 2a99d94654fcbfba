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
from datastill.runs.describing import description_in
from datastill.runs.executors.tasks import DONE
from datastill.runs.gathering import COMPARED, STUDIED
from datastill.runs.inventory import USUAL, bytes_in, walked
from datastill.runs.pieces import FOLDER
from datastill.store import SET_FILE
from datastill.store.checkpoints import ENDING
from datastill.store.clearing import halves_in, is_own, remove, remove_from
from datastill.store.locks import at_work, locks_in
from datastill.store.succession import NEXT

RESULTS = {
    "distill": SET_FILE,
    "validate": "validation.json",
    "compare": COMPARED,
    "study": STUDIED,
}
"""Files in which runs say what they found, the last that they write, by what did."""


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
    for kind, name in RESULTS.items():
        if kind == "distill" and (folder / NEXT).exists():
            continue  # a run that is to replace what is there is not finished
        for path in _older(folder, f"{kind}{ENDING}*", folder / name):
            yield _leftover(path, f"a checkpoint of a finished '{kind}'", folder)
    for path in halves_in(folder):
        yield _leftover(path, "half of a file, of a process that was killed", folder)
    for path in _pieces(folder):
        yield _leftover(path, "pieces of a finished run", folder)


def _older(folder: Path, pattern: str, result: Path) -> list[Path]:
    # What is newer than the result may be of a run that is to add to it, or replace it.
    if not result.is_file():
        return []
    written = result.stat().st_mtime_ns
    held = sorted(folder.glob(pattern))
    return held if all(path.lstat().st_mtime_ns <= written for path in held) else []


def _pieces(folder: Path) -> Iterator[Path]:
    # Of runs that the folder describes; rows of a sweep lie there too, and stay.
    place = folder / FOLDER
    if place.is_symlink() or not place.is_dir():
        return
    described = (description_in(file) for file in sorted(folder.glob("*.toml")))
    finished = {
        spec.digest: folder / RESULTS[spec.kind]
        for spec in described
        if spec is not None and RESULTS.get(spec.kind, SET_FILE) != SET_FILE
    }
    for path in sorted(place.iterdir()):
        result = finished.get(path.name)
        if result is None or not result.is_file() or path.is_symlink():
            continue
        files = [file for file in path.rglob("*") if file.is_file()]
        newest = max((file.lstat().st_mtime_ns for file in files), default=0)
        if newest <= result.stat().st_mtime_ns and not any(file.name == DONE for file in files):
            yield path


def _leftover(path: Path, why: str, folder: Path | None) -> Leftover:
    size = bytes_in(path) if path.is_dir() and not path.is_symlink() else path.lstat().st_size
    return Leftover(path, size, why, folder)
