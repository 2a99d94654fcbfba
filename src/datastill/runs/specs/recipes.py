"""Recipes: descriptions of runs in files, those that come with datastill and a person's own."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from datastill.base.errors import EMPTY, InputError, of_kind, suggestion
from datastill.base.wording import counted, listed
from datastill.runs.specs import (
    About,
    AssessSpec,
    DataSpec,
    DistillSpec,
    Old,
    Spec,
    StudySpec,
    TrainSpec,
    ValidateSpec,
)
from datastill.runs.specs import read as read_text

OURS = Path(__file__).parents[2] / "recipes"
"""Where the recipes are that come with datastill."""
ENDING = ".toml"
KEY = re.compile(r"`([\w.-]+)(?:=([^`]*))?`")
"""In a message: a key of a file, which may lie in a table, and a value where one is meant."""
SET_ENDING = ".safetensors"
"""How the names of sets end."""
RUN_FILE = "run.toml"
"""What repeats a run, in its folder."""


@dataclass(frozen=True)
class Recipe:
    """A run, and what is known of it.

    Attributes:
        path: of its file.
        spec: what it follows from.
        about: where its numbers come from, what was expected of it, and what came of it.
    """

    path: Path
    spec: Spec
    about: About


def names() -> list[str]:
    """Return the names of the recipes that come with datastill.

    >>> names()[0]
    'CIFAR10-DC-10-clom'
    """
    return sorted(file.stem for file in OURS.glob(f"*{ENDING}"))


def find(name: Path | str) -> Path:
    """Return the file of a recipe: at a path, or of those that come with datastill, by its name.

    The path may be that of a run's folder, in which lies what repeats it.

    Raises:
        InputError: when there is neither, and of an empty text.
    """
    of_kind((str, PathLike), "the name of a recipe, or a path", name=name)
    if not str(name):
        raise InputError(f"the file of a run {EMPTY}")
    path, name = Path(name), str(name)
    own = OURS / f"{name.removesuffix(ENDING)}{ENDING}"
    if path.is_file():
        return path
    if (path / RUN_FILE).is_file():
        return _only(path)
    if path.is_dir():
        raise InputError(f"the folder {path} has no {RUN_FILE}, which would repeat its run")
    if name == path.name and own.is_file():
        return own
    if name != path.name:
        raise InputError(f"no file {name!r}; name one that describes a run, or the folder of a run")
    raise InputError(f"no recipe {name!r}, neither a file nor a name; {suggestion(name, names())}")


def here(spec: Spec, file: Path) -> Spec:
    """Return a run about the set that lies beside the file which describes it, if one does.

    What a run wrote beside a set means that set, wherever their folder was moved; in what a person
    wrote, a path that leads to a set from the file's own folder. All else is as it was given.

    Args:
        spec: as the file says it.
        file: that.
    """
    if not isinstance(spec, AssessSpec | ValidateSpec) or not spec.set:
        return spec  # others describe what they made
    given, folder = Path(spec.set), file.parent
    own = re.fullmatch(rf"(.*\.)?{spec.kind}(-[0-9]+)?{re.escape(ENDING)}", file.name)
    near = folder / (given.name if own else given)
    if own and not near.exists() and given.suffix != SET_ENDING:
        from datastill.store import SET_FILE

        near = folder / SET_FILE
    there = near.exists() or (own and given.name == spec.set)
    return replace(spec, set=str(near)) if there else spec


def from_there(spec: Spec, file: Path) -> Spec:
    """Return a run as a file beside its set says it: by the name of that, if it lies there."""
    if not isinstance(spec, AssessSpec | ValidateSpec):
        return spec
    given = Path(spec.set)
    beside = given.parent == file.parent and given.suffix == SET_ENDING and given.exists()
    return replace(spec, set=given.name) if beside else spec


def _only(folder: Path) -> Path:
    # What repeats all that a folder holds.
    others = sorted(folder.glob("run-[0-9]*.toml"), key=lambda path: (len(path.name), path.name))
    if others:
        files = listed([str(path) for path in (folder / RUN_FILE, *others)])
        raise InputError(f"{folder} holds what several runs made, one after another; name {files}")
    return folder / RUN_FILE


def text_of(path: Path) -> str:
    """Return the text of a file.

    Raises:
        InputError: when it cannot be read, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read recipe {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"recipe {path} is not TOML: {error}") from None


def read(path: Path | str) -> Recipe:
    """Return what a file describes.

    Raises:
        InputError: when it cannot be read, or describes nothing that makes sense.
        Old: when it holds options of a command, see ``specs``.

    >>> read(find("FashionMNIST-DM-10-clom")).spec.clom.alphas
    (100.0,)
    """
    of_kind((str, PathLike), "the path of a file", path=path)
    path = Path(path)
    try:
        spec, about = read_text(text_of(path), f"recipe {path}")
        return Recipe(path, here(spec, path), about)
    except InputError as error:
        raise InputError(str(error), typed=in_files(str(error))) from None


def described(path: Path) -> Spec:
    """Return the run that a file describes.

    Raises:
        InputError: see ``read``; for options too.
    """
    try:
        return read(path).spec
    except Old as old:
        raise InputError(
            f"recipe {path} holds options of 'datastill {old.command}', which can be run but not "
            "checked; 'datastill recipes show FashionMNIST-DM-10-clom' shows how they are written "
            "now"
        ) from None


def kind_of(path: Path) -> str:
    """Return the kind of run that a file describes, or the command whose options it holds.

    Raises:
        InputError: see ``read``.
    """
    try:
        return read(path).spec.kind
    except Old as old:
        return old.command


def in_files(message: str) -> str:
    """Say keys of a file in the place of arguments.

    >>> in_files("`lr` must be above zero; take `init='noise'`")
    "'lr' must be above zero; take init = 'noise'"
    """

    def said(found: re.Match[str]) -> str:
        name, value = found[1], found[2]
        return f"'{name}'" if value is None else f"{name} = {value}"

    return KEY.sub(said, message)


def copy(name: str, to: Path | None = None) -> Path:
    """Copy a recipe, to be changed.

    Args:
        name: see ``find``.
        to: file to write, or a folder for it; by default its name in the current folder.

    Raises:
        InputError: when there is no such recipe, or something is there already.
    """
    from datastill.store.files import replace_file, writing

    path = find(name)
    file = Path(path.name) if to is None else to / path.name if to.is_dir() else to
    if file.exists():
        raise InputError(f"{file} is there, which is never replaced; name another file")
    with writing(file.parent):
        replace_file(file, text_of(path).encode())
    return file


def table() -> list[tuple[str, str, str]]:
    """Return of every recipe that comes with datastill its name, its command, and what of."""
    found = [(name, read(find(name)).spec) for name in names()]
    return [(name, spec.kind, in_words(spec)) for name, spec in found]


def in_words(spec: Spec) -> str:
    """Say what a run is about.

    >>> in_words(read(find("CIFAR10-DC-50-clom")).spec)
    'CIFAR10, DC, ipc 50'
    """
    data = getattr(spec, "data", None)
    parts = [data.name if isinstance(data, DataSpec) and data.name else "", *paths_of(spec)]
    if isinstance(spec, DistillSpec):
        parts += [spec.method, f"ipc {spec.ipc}"]
    if isinstance(spec, StudySpec):
        parts.append(f"{counted(spec.trials, 'network')} on each set")
    if isinstance(spec, TrainSpec):
        parts.append(f"{spec.num} of {', '.join(spec.models)}")
    return ", ".join(filter(None, parts))


def paths_of(spec: Spec) -> tuple[str, ...]:
    """Return the paths of the sets that a run is about."""
    one, many = getattr(spec, "set", None), getattr(spec, "sets", ())
    return (*(() if one is None else (one,)), *many)
