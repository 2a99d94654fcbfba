"""What lies in folders that runs made: what each is, how large, how it did; what can be named.

Nothing is computed anew, and no images are read. What no run made is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datastill.base.errors import InputError
from datastill.base.waits import awaited
from datastill.base.wording import counted, listed
from datastill.report.comparison import is_real
from datastill.report.validations import labelled_results
from datastill.runs.folders.gathering import (
    COMPARED,
    COMPARISON,
    DEEPEST,
    POOL,
    SET,
    STUDIED,
    STUDY,
    UNDER_WAY,
    Lying,
    folders_in,
    itself,
)
from datastill.runs.housekeeping.catalogue import KINDS, catalogue
from datastill.runs.housekeeping.state import DAMAGED, FINISHED, state_of
from datastill.store import (
    EVOLUTION_FILE,
    SET_FILE,
    StudyFolder,
    header_of,
    members_in,
    place_of,
    read_json,
    read_table,
)
from datastill.store.checkpoints import ENDING
from datastill.store.results import rows_in
from datastill.store.succession import MANIFEST, settings_in

USUAL = (
    *("condensed", "pretrained_model", "studies", "comparison", "sweep", "imported", "demo"),
    "runs",
)
"""Folders into which commands write that were told no other."""
MOST = 20_000
"""Folders that are looked into, in all."""


@dataclass(frozen=True)
class Item:
    """Something that a run made, or makes.

    Attributes:
        kind: set, comparison, study, pool or run, as in ``gathering``.
        path: its folder; of a set that lies in none of its own the file.
        bytes: of all files in there.
        about: what it is.
        result: how it did, best first; empty where nothing is known.
        state: ``finished``, ``not finished``, ``at work`` or ``damaged``.
        advice: what to do about that; empty where nothing is to be done.
    """

    kind: str
    path: Path
    bytes: int
    about: str
    result: str
    state: str
    advice: str = ""


@dataclass(frozen=True)
class Inventory:
    """What lies here, and what can be named.

    Attributes:
        items: made by runs.
        names: of methods and all else, each with a line.
    """

    items: tuple[Item, ...] = ()
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])


def inventory(what: Sequence[str] = ()) -> Inventory:
    """Return what there is of kinds, what lies at paths, or, without either, all of it.

    Args:
        what: kinds, see ``catalogue``, or paths, see ``found``.

    Raises:
        InputError: for what is neither.
    """
    paths = [one for one in what if one not in KINDS]
    kinds = [one for one in what if one in KINDS] if what else KINDS
    names = {kind: catalogue(kind) for kind in kinds}
    try:
        items = found(paths) if paths or not what else []
    except InputError as error:
        raise InputError(f"{error}; kinds are {listed(KINDS)}") from None
    return Inventory(tuple(items), names)


def found(paths: Sequence[Path | str] = (), *, deepest: int = DEEPEST) -> list[Item]:
    """Return what lies at paths that runs made, in the order of the paths.

    Args:
        paths: folders to look into, or files of sets; by default those of ``USUAL`` that are here.
        deepest: folders within each other that are looked into. Links are never followed.

    Raises:
        InputError: for a path where there is nothing, and folders that are too many.
    """
    items: list[Item] = []
    for place in map(Path, paths or [name for name in USUAL if Path(name).is_dir()]):
        if not place.exists():
            raise InputError(f"there is no {place}; name what runs made, or a folder of such")
        if place.is_file():
            items += [item_of(Lying(SET, place))] if place.suffix == ".safetensors" else []
            continue
        with awaited(f"looking at what lies in {place}"):
            items += [item_of(one) for _, one in walked(place, deepest) if one is not None]
    return items


def item_of(one: Lying) -> Item:
    """Return what is to be told of a thing."""
    own = one.path.name == SET_FILE or one.kind != SET
    folder = one.path.parent if one.kind == SET else one.path
    place = folder if own else one.path
    size = bytes_in(place) if own else one.path.stat().st_size
    try:
        about, result = _TELLS[one.kind](one.path)
        state, advice = state_of(folder, one.kind) if own else (FINISHED, "")
    except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
        told = str(error) if isinstance(error, InputError) else f"{place} is damaged: {error!r}"
        return Item(one.kind, place, size, "", "", DAMAGED, told)
    return Item(one.kind, place, size, about, result, state, advice)


def bytes_in(folder: Path) -> int:
    """Return the bytes of all files in a folder; links count as such, not as what they name."""
    found = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                found += Path(place, name).lstat().st_size
            except OSError:  # gone meanwhile
                continue
    return found


def walked(path: Path, deepest: int = DEEPEST) -> Iterator[tuple[Path, Lying | None]]:
    """Yield folders, and what each is that a run made; into such a one it is not looked further.

    Args:
        path: where to begin. Links and hidden folders in there are not followed.
        deepest: folders within each other.

    Raises:
        InputError: when they are too many.
    """
    for number, (here, one) in enumerate(folders_in(path, _made, deepest), 1):
        if number > MOST:
            raise InputError(f"{path} holds more than {MOST} folders; name those to look into")
        yield here, one


def _made(folder: Path) -> Lying | None:
    # Of a run there may be nothing but what it goes on from; a log alone may be anybody's.
    one, place = itself(folder), place_of(folder)
    if one is not None and one.kind != UNDER_WAY:
        return one
    begun = (place / EVOLUTION_FILE).is_file() or any(place.glob(f"*{ENDING}"))
    is_run = begun or (one is not None and settings_in(place))
    return Lying(UNDER_WAY, folder) if is_run else None


def _set(file: Path) -> tuple[str, str]:
    header, shapes = header_of(file, "image set")
    facts, domain = header["facts"], header["domain"]
    images = (shapes.get("images") or shapes["pixels"])[0]
    method = facts.get("method") or ("imported" if facts.get("imported") else "")
    parts = [domain["name"], str(method), counted(images, "image")]
    if facts.get("step") is not None:
        parts.append(counted(facts["step"], "update"))
    results = labelled_results(facts.get("validated"), domain["name"])
    own = [row for row in results if row[0] == results[0][0]]  # not what it was held against
    return ", ".join(filter(None, parts)), "; ".join(f"{row[3]} ({row[1]})" for row in own[:2])


def _comparison(folder: Path) -> tuple[str, str]:
    if not (folder / COMPARED).is_file():
        return "", ""
    table = read_table(folder / COMPARED)
    rows, asked = rows_in(table)[0], table.get("run") or {}
    against = asked.get("against") or ()  # which may be coresets of a person's own
    own = [row for row in rows if not is_real(row) and row.name not in against]
    best = max(own or rows, key=lambda row: row.accuracies.mean)
    names = dict.fromkeys(row.title for row in rows)
    return f"{counted(len(names), 'set')}", f"{best.accuracies} ({best.title}, {best.model})"


def _study(folder: Path) -> tuple[str, str]:
    sets = counted(len(StudyFolder(folder).names()), "set")
    if not (folder / STUDIED).is_file():
        return sets, ""
    verdicts = read_table(folder / STUDIED)["verdicts"]
    return sets, f"{verdicts[0]['name']} agrees best" if verdicts else ""


def _pool(folder: Path) -> tuple[str, str]:
    numbers = {number for number, _, _ in members_in(folder)}
    parts = [folder.name, counted(len(numbers), "model")]
    rows = read_json(folder / MANIFEST) if (folder / MANIFEST).is_file() else []
    parts[:0] = dict.fromkeys(str(row["dataset"]) for row in rows)
    held = [row["held_out_accuracy"] for row in rows if row.get("held_out_accuracy") is not None]
    known = f"held-out {100 * min(held):.1f} to {100 * max(held):.1f} %" if held else ""
    return ", ".join(parts), known


def _run(folder: Path) -> tuple[str, str]:
    settings = settings_in(place_of(folder))
    run = settings.get("run")
    data = run.get("data") if isinstance(run, dict) else None
    name = data.get("name") if isinstance(data, dict) else None
    parts = [name, settings.get("method"), run.get("kind") if isinstance(run, dict) else None]
    return ", ".join(str(part) for part in parts if part), ""


_TELLS = {SET: _set, COMPARISON: _comparison, STUDY: _study, POOL: _pool, UNDER_WAY: _run}
