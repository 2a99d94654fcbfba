"""Files in the folder of a run that repeat it, and what else was done there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from datastill.base.errors import InputError
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.specs import KINDS, Old, Spec, read
from datastill.runs.specs.base import build, split
from datastill.runs.specs.recipes import RUN_FILE, from_there, here
from datastill.store import SET_FILE, read_json, replace_file, through_json, writing


def require_own(spec: Spec, folder: Path) -> None:
    """Refuse a folder that holds the description of a run of another kind.

    Raises:
        InputError: then.
    """
    if not (folder / RUN_FILE).exists():
        return
    text = (folder / RUN_FILE).read_text("utf-8", errors="replace")
    try:
        kind = split(text, str(folder / RUN_FILE))[0]
    except InputError as error:
        raise InputError(f"{error}; delete it, or take another `folder`") from None
    if kind != spec.kind:
        raise InputError(f"{folder} holds another run ({RUN_FILE}); take another `folder`")


def write_description(spec: Spec, file: Path) -> None:
    """Write what a run follows from, where ``datastill run`` finds it.

    Args:
        spec: of the run.
        file: ``run.toml`` in the folder that it made, say.

    Raises:
        InputError: when it cannot be written.
        RuntimeError: when the file would not say what was asked for.
    """
    text = from_there(spec, file).to_toml()
    if here(read(text, file.name)[0], file) != here(spec, file):
        raise RuntimeError(f"the description of this run does not survive being written: {spec!r}")
    with writing(file.parent):
        replace_file(file, text.encode())


def tell_damaged(path: Path, observer: Observer) -> None:
    """Tell of a record that is about to be replaced, if it is there and cannot be read."""
    try:
        if path.exists():
            read_json(path)
    except InputError as error:
        observer.message(f"{error}; it is written anew")


def add_description(spec: Spec, file: Path, observer: Observer = SILENT) -> Path:
    """Write what a run follows from, in a folder where there may have been others before.

    The first is in ``NAME.toml``, the next in ``NAME-2.toml``; one that was carried out again
    keeps its file.

    Args:
        spec: of the run.
        file: for the first.
        observer: is told of files that describe nothing, which stay.

    Returns:
        The file that describes the run.
    """
    held = dict(descriptions(file))
    for path in (path for path, other in held.items() if other is None):
        observer.message(f"{path} is damaged: it describes no run, and stays as it is")
    same = [path for path, other in held.items() if other and other.digest == spec.digest]
    if same:
        return same[0]
    free = following(file, 1 + max((number_of(path) for path in held), default=0))
    write_description(spec, free)
    return free


def descriptions(file: Path) -> Iterator[tuple[Path, Spec | None]]:
    """Yield the files that describe runs of a folder, and the runs, in their order.

    Args:
        file: of the first.

    Yields:
        A file, and what it describes; None where it cannot be read.
    """
    name = re.compile(rf"{re.escape(file.stem)}(-[0-9]{{1,6}})?{re.escape(file.suffix)}")
    found = [path for path in file.parent.glob(f"*{file.suffix}") if name.fullmatch(path.name)]
    for path in sorted(found, key=number_of):
        yield path, description_in(path)


def description_in(file: Path) -> Spec | None:
    """Return the run that a file describes; None where it cannot be read, or there is none."""
    try:
        return here(read(file.read_text(encoding="utf-8"), str(file))[0], file)
    except (OSError, ValueError, Old):
        return None


def repeated_by(file: Path, facts: Mapping[str, Any]) -> str:
    """Say which file repeats the run that made a set; nothing where there is none.

    Args:
        file: of the set.
        facts: of the set; where they say that it follows from something else, that is said.
    """
    path = file.with_name(RUN_FILE)
    spec = description_in(path) if file.name == SET_FILE else None
    if spec is None:
        return ""
    made: Mapping[str, Any] = facts.get("run") or {}
    table = through_json({"kind": spec.kind, **spec.table()})
    changed = (
        made.get("kind") == spec.kind and "minutes" not in made and through_json(made) != table
    )
    return f"{path}{', which was changed since' if changed else ''}"


def spec_of(table: Any) -> Spec | None:
    """Return the run that a table of a file describes, with its kind; None where it makes none."""
    if not isinstance(table, dict):
        return None
    values = cast("dict[str, Any]", table)
    kind = KINDS.get(str(values.get("kind")))
    if kind is None:
        return None
    try:
        return build(kind, {k: v for k, v in values.items() if k != "kind"}, "the run")
    except ValueError:
        return None


def number_of(file: Path) -> int:
    """Return which of the runs of a folder a file is of.

    >>> number_of(Path("a-b/run-3.toml")), number_of(Path("run.toml"))
    (3, 1)
    """
    last = file.stem.rpartition("-")[2]
    return int(last) if "-" in file.stem and last.isdecimal() else 1


def following(file: Path, number: int) -> Path:
    """Return the file of a later run, by that of the first.

    >>> following(Path("run.toml"), 3).name, following(Path("run.toml"), 1).name
    ('run-3.toml', 'run.toml')
    """
    return file.with_stem(f"{file.stem}-{number}") if number > 1 else file
