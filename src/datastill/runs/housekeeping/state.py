"""What is finished in the folder of a run, what was cut off there, and what nobody needs any more.

That is told by what files say that they are of, and never by when they were written: a folder that
was copied, or checked out, is what it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from datastill.base.errors import InputError
from datastill.runs.conduct.keeping import is_same_run
from datastill.runs.executors.pieces import FOLDER, TRIALS
from datastill.runs.executors.tasks import DONE
from datastill.runs.folders.describing import description_in
from datastill.runs.folders.gathering import (
    COMPARED,
    COMPARISON,
    RESULTS,
    STUDIED,
    STUDY,
    UNDER_WAY,
)
from datastill.runs.validation.finished import finished_of
from datastill.store import SET_FILE, CheckpointFile, header_of, read_json
from datastill.store.checkpoints import ENDING
from datastill.store.locks import at_work
from datastill.store.succession import NEXT, settings_in

FINISHED, UNFINISHED, BUSY, DAMAGED = "finished", "not finished", "at work", "damaged"
RESUMED = "the same command with --resume goes on"


@dataclass(frozen=True)
class Begun:
    """A run that was begun in a folder, and left something to go on from.

    Attributes:
        kind: of the run; with the name of a set, and a dot, where that has no folder of its own.
        files: what is there to go on from.
        is_finished: whether what it asked for is there: then nobody needs them.
    """

    kind: str
    files: tuple[Path, ...]
    is_finished: bool


def begun_in(folder: Path) -> list[Begun]:
    """Return the runs that left something to go on from in a folder."""
    paths = {CheckpointFile(path) for path in folder.glob(f"*{ENDING}")}
    paths |= {CheckpointFile(path.with_suffix("")) for path in folder.glob(f"*{ENDING}.before")}
    return [_begun(file) for file in sorted(paths, key=lambda file: file.path)]


def state_of(folder: Path, kind: str) -> tuple[str, str]:
    """Return in which state a run is, and what to do about that.

    Args:
        folder: of the run.
        kind: what lies there, see ``gathering``.
    """
    if at_work(folder):
        return BUSY, ""
    begun = [one for one in begun_in(folder) if not one.is_finished]
    if kind == STUDY:
        whole = (folder / STUDIED).is_file() and not begun
        return (FINISHED, "") if whole else (UNFINISHED, "datastill study goes on")
    if kind == COMPARISON and not (folder / COMPARED).is_file():
        return UNFINISHED, RESUMED
    if kind == UNDER_WAY or (folder / NEXT).is_dir():
        return UNFINISHED, RESUMED
    if begun:
        return UNFINISHED, f"its {begun[0].kind} was cut off; {RESUMED}"
    return FINISHED, ""


def needless_pieces(folder: Path) -> Iterator[Path]:
    """Yield the pieces of runs that a folder describes, and whose result is there.

    Rows of a sweep lie there too, and stay; so does whatever does not say what it follows from.
    """
    place = folder / FOLDER
    if place.is_symlink() or not place.is_dir():
        return
    described = (description_in(file) for file in sorted(folder.glob("*.toml")))
    kinds = {spec.digest: spec.kind for spec in described if spec is not None}
    for path in sorted(place.iterdir()):
        files = [] if path.is_symlink() else [file for file in path.rglob("*") if file.is_file()]
        asked = [_asked_by(file) for file in files if file.name == TRIALS]
        row = any(file.name == DONE for file in files)
        kind = "" if row else kinds.get(path.name, "")
        if asked and all(_is_answered(kind, folder / SET_FILE, one) for one in asked):
            yield path


def _begun(file: CheckpointFile) -> Begun:
    name = file.path.name.removesuffix(ENDING)
    stem, _, kind = name.rpartition(".")
    made = file.path.with_name(f"{stem}.safetensors" if stem else SET_FILE)
    files = tuple(path for path in (file.before, file.path) if path.is_symlink() or path.exists())
    answered = [_is_answered(kind, made, file.asked_in(path)) for path in files]
    return Begun(name, files, all(answered))


def _is_answered(kind: str, made: Path, asked: Mapping[str, Any] | None) -> bool:
    # Whether what was asked for is among what is finished: of a set, or beside it.
    folder = made.parent
    try:
        if asked is None:
            return False
        if kind == "validate":
            facts = header_of(made, "image set")[0]["facts"]
            return finished_of(facts.get("validated") or (), asked) is not None
        if kind == "compare":
            return is_same_run(read_json(folder / RESULTS[kind]), asked)
        # What is to replace a finished set is made beside it, and a study may have grown since.
        alone = kind == "distill" and made.is_file() and not (folder / NEXT).exists()
        return alone and is_same_run(settings_in(folder), asked)
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        return False  # a damaged file says nothing


def _asked_by(file: Path) -> Mapping[str, Any] | None:
    try:
        found = cast("dict[str, Any]", read_json(file))["asked"]
    except (InputError, KeyError, TypeError):
        return None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else None
