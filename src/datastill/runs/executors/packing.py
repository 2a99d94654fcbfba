"""What a piece of a run reads, packed for a worker that sees no files of whoever sends it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from datastill.base.errors import InputError
from datastill.runs.executors.own_modules import files_of, modules_of
from datastill.runs.executors.pieces import FOLDER
from datastill.runs.executors.tasks import Task
from datastill.runs.folders.finding import set_file
from datastill.runs.specs import DataSpec
from datastill.runs.specs.base import PLACE, Part
from datastill.store.locks import LOCK
from datastill.store.studies import SETS_FOLDER

P = TypeVar("P", bound=Part)

SETS = ("set", "sets")
"""Fields of descriptions that name sets by their paths; those of models are places."""
KEPT = (".safetensors", ".json")
"""How files of original models end, and what is known of them."""
VIEW, RUN, IMAGES = "view", "run", "images"
"""Folders of a worker: for files by their whole paths, for those of the run, for real images."""


@dataclass(frozen=True)
class File:
    """A file that is sent.

    Attributes:
        to: where it is to lie, in the folder of a worker.
        digest: of its content.
        content: a reference to it.
    """

    to: Path
    digest: str
    content: Any


@dataclass
class Packer:
    """Packs files, each of which is handed to whoever carries them once.

    Attributes:
        put: takes an array of bytes, and returns a reference to it.
        images: folder of real images that were read here.
    """

    put: Callable[[Any], Any]
    images: Path

    def __post_init__(self) -> None:
        self._held = dict[tuple[Any, ...], tuple[str, Any]]()

    def packed(self, task: Task) -> tuple[File, ...]:
        """Return all that a piece reads.

        Raises:
            InputError: when it cannot be read here.
        """
        found = {to: file for to, file in self._wanted(task) if file.is_file()}
        return tuple(self._file(to, file) for to, file in found.items())

    def _wanted(self, task: Task) -> Iterator[tuple[Path, Path]]:
        spec, here = task.unit.spec, task.current
        for to, file in files_of(modules_of(spec)).items():
            yield VIEW / under(here) / to, file
        for name, path in places_in(spec):
            of_set = name in SETS
            for file in [set_file(here / path)] if of_set else _kept(here / path):
                yield VIEW / under(file), file
        for file in _read(self.images):
            yield IMAGES / file.relative_to(self.images), file
        for file in _of_run(task):
            yield RUN / file.relative_to(task.folder), file

    def _file(self, to: Path, file: Path) -> File:
        try:
            state = file.stat()
            known = (file, state.st_ino, state.st_mtime_ns, state.st_size)
            if known not in self._held:
                empty = np.zeros(0, np.uint8)
                content = np.memmap(file, np.uint8, "r") if state.st_size else empty
                self._held[known] = hashlib.sha256(content.data).hexdigest(), self.put(content)
        except OSError as error:
            raise InputError(f"{file} cannot be sent to workers: {error.strerror}") from None
        return File(to, *self._held[known])


def under(path: Path) -> Path:
    """Return a whole path as one that lies in another folder.

    >>> under(Path("/home/me")).as_posix()
    'home/me'
    """
    whole = path.absolute()
    return whole.relative_to(whole.anchor)


def places_in(part: Part) -> list[tuple[str, str]]:
    """Return the names of fields that say where something lies, see ``with_places``, and where."""
    found = list[tuple[str, str]]()

    def noted(name: str, path: str) -> str:
        found.append((name, path))
        return path

    with_places(part, noted)
    return found


def with_places(part: P, moved: Callable[[str, str], str]) -> P:
    """Return a description with other paths, of sets and of original models.

    Real images are not among them: they are sent as they were read.

    Args:
        part: the description.
        moved: returns another path, of the name of its field and the path.
    """
    new = dict[str, Any]()
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, DataSpec):
            continue
        if isinstance(value, Part):
            new[field.name] = with_places(value, moved)
        elif field.name in SETS or field.metadata.get(PLACE):
            if isinstance(value, str):
                new[field.name] = moved(field.name, value)
            elif value:
                new[field.name] = tuple(moved(field.name, path) for path in value)
    return replace(part, **new)


def _kept(place: Path) -> Iterator[Path]:
    # Original models in a folder.
    for file in sorted(place.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(place).parts)
        if file.suffix in KEPT and not hidden:
            yield file


def _read(images: Path) -> Iterator[Path]:
    # Real images of which all is there, and what else is known of them.
    yield from images.glob("*.json")
    for table in images.glob("*/sets.json"):
        yield from table.parent.glob("*.npy")
        yield table


def _of_run(task: Task) -> Iterator[Path]:
    # Of a study the set that is examined, and its own models; what a piece that was cut off left.
    folder, address = task.folder, task.unit.address
    _, _, tail = address.partition("/")
    if task.unit.spec.kind == "study":
        yield from (folder / SETS_FOLDER / tail.partition("/")[0]).glob("*")
        for place in folder.glob("[!.]*"):
            if place.is_dir() and place.name != SETS_FOLDER:
                yield from _kept(place)
    for pieces in (folder / FOLDER, *folder.glob(f"*/{FOLDER}")):
        for place in pieces.glob("*"):
            for one in (address, tail):
                yield from _left(place.joinpath(*one.replace(":", ".").split("/")))


def _left(place: Path) -> Iterator[Path]:
    return (file for file in place.rglob("*") if not LOCK.fullmatch(file.name))
