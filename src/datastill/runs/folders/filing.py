"""Which folder a run gets that nobody gave one, so that no two runs fight for it.

The usual one is named by what people look for: dataset, method, images per class. A run that
differs from the one that lies there gets a folder beside it, named by its own digest.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.base.wording import listed
from datastill.datasets import dataset_name
from datastill.distillation.methods import METHODS
from datastill.networks import find
from datastill.runs.conduct.differences import first
from datastill.runs.conduct.keeping import Keeping
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.folders.describing import description_in, spec_of
from datastill.runs.folders.finding import set_file
from datastill.runs.specs import DataSpec, DistillSpec, Spec
from datastill.runs.specs.quota import parse
from datastill.runs.specs.recipes import RUN_FILE
from datastill.store import SET_FILE, set_folder
from datastill.store.succession import NEXT, settings_in

DIGITS = 8
"""Of a digest, in the name of a folder."""


def filed(spec: Spec, usual: Path, keeping: Keeping, observer: Observer) -> Path:
    """Return the folder of a run for which nobody named one.

    That is the usual one where it is free, holds this run or one that nothing describes, or may be
    overwritten. Otherwise one beside it, of which the observer is told.

    Args:
        spec: what the run follows from.
        usual: the folder where people look.
        keeping: whether it is to go on with what is there, or may overwrite it.
        observer: is told.
    """
    held, own = runs_in(usual), beside(usual, spec)
    if not held or address(spec) in map(address, held):
        return usual
    if not own.exists():
        longer = [path for path in (usual, *others(usual)) if _is_longer(spec, path)]
        if keeping.overwrite or (keeping.resume and longer):
            return usual if keeping.overwrite else longer[0]
    differs = _differs(held[0], spec, resuming=keeping.resume) or "was of another kind"
    observer.message(f"{usual} holds another run, which {differs}: this one is in {own}")
    return own


def _differs(one: Spec, spec: Spec, *, resuming: bool) -> str | None:
    # More updates keep nobody from going on: what else differs is said before.
    if resuming and isinstance(one, DistillSpec) and isinstance(spec, DistillSpec):
        same = replace(one, updates=spec.updates, minutes=spec.minutes)
        if (differs := first(same.table(places=False), spec.table(places=False))) is not None:
            return differs
    return first(one.table(places=False), spec.table(places=False))


def address(spec: Spec) -> str:
    """Return the digest of a run, whose parts may be spelled in any way."""
    if not isinstance(spec, DistillSpec):
        return spec.digest
    try:
        method, model = METHODS.spelling(spec.method), find(spec.model)[0]
    except InputError:  # there is none of that name, as whoever carries it out will say
        return spec.digest
    return replace(spec, method=method, model=model).digest


def beside(usual: Path, spec: Spec) -> Path:
    """Return the folder of a run beside the one that another has."""
    return usual.with_name(f"{usual.name}@{address(spec)[:DIGITS]}")


def others(usual: Path) -> list[Path]:
    """Return the folders beside a usual one of runs that differ from the one in there."""
    named = f"{glob.escape(usual.name)}@{'[0-9a-f]' * DIGITS}"
    return sorted(path for path in usual.parent.glob(named) if path.is_dir())


def found(usual: Path, observer: Observer) -> Path:
    """Return the folder of the set that people look for, and name those of other runs beside it.

    Args:
        usual: where it lies, unless that is gone.
        observer: is told of others.
    """
    finished = [path for path in others(usual) if (path / SET_FILE).exists()]
    named = [usual, *finished] if usual.exists() or not finished else finished
    if len(named) > 1:
        rest = listed([str(path) for path in named[1:]])
        observer.message(f"this is {named[0]}; beside it there is {rest}, to be named by path")
    return named[0]


def runs_in(folder: Path) -> list[Spec]:
    """Return what the runs follow from that lie in a folder: finished, or to take its place."""
    return [spec for place in (folder, folder / NEXT) for spec in _runs_at(place)]


def require_new(
    spec: Spec,
    folder: Path,
    keeping: Keeping,
    more: str,
    *,
    file: str = SET_FILE,
    begun: bool = False,
) -> None:
    """Refuse a run that was carried out there before, asked for in just the same way.

    Args:
        spec: what it follows from.
        folder: of the run.
        keeping: whether it is to go on with what is there, or may overwrite it.
        more: what else can be done with it when it is finished, said after "pass".
        file: that the folder of a finished one has.
        begun: whether one that is not finished counts too: nobody is at work in the folder.

    Raises:
        InputError: then, saying whether it is finished, and what to pass.
    """
    if keeping.resume or keeping.overwrite:
        return
    done, asked = (folder / file).exists(), address(spec)
    if begun and asked in map(address, _runs_at(folder / NEXT if done else folder)):
        raise InputError(
            f"this very run is in {folder}, not finished; pass `resume=True` to go on with it, or "
            "`overwrite=True` to start over"
        )
    if done and asked in map(address, _runs_at(folder)):
        raise InputError(
            f"this very run is in {folder}, finished; pass {more}, or `overwrite=True` to start "
            "over"
        )


def _runs_at(place: Path) -> Iterator[Spec]:
    # As it was asked for, and as it repeats: a plan was made between the two.
    for spec in (spec_of(settings_in(place).get("run")), description_in(place / RUN_FILE)):
        if spec is not None:
            yield spec


def _is_longer(spec: Spec, folder: Path) -> bool:
    # Whether it differs from a run in a folder in having more updates, as far as can be told.
    if not isinstance(spec, DistillSpec):
        return False
    descent = settings_in(folder).get("descent")
    updates = descent.get("updates", 0) if isinstance(descent, dict) else 0
    return (spec.updates is None or spec.updates > updates) and any(
        address(replace(one, updates=spec.updates, minutes=spec.minutes)) == address(spec)
        for one in _runs_at(folder)
        if isinstance(one, DistillSpec)
    )


def named_or_found(
    path: Path | str | None,
    data: DataSpec | str | None,
    asked: Mapping[str, Any],
    usual: Mapping[str, Any],
    observer: Observer,
) -> Path:
    """Return the file of a set at a path, or else of the one that is looked for.

    Args:
        path: of the file or its folder.
        data: what it was made from; the name of that, where it has no other use.
        asked: method, ipc and folder for sets, as ``find_set`` takes them, by options' names.
        usual: the same where nothing was asked for.
        observer: is told of sets of other runs beside it.

    Raises:
        InputError: when there is none, are several, or it is named and looked for.
    """
    whole = data if isinstance(data, DataSpec) else DataSpec(data)
    if not path:
        return find_set(whole, *(asked[name] for name in usual), observer=observer)
    dataset = None if isinstance(data, DataSpec) else data
    for name, value in {"dataset": dataset, **asked}.items():
        if value != usual.get(name):
            raise InputError(f"`{name}` finds a set that no path names; leave it out")
    return set_file(Path(path))


def find_set(
    data: DataSpec,
    method: str = "DM",
    ipc: int | str = 10,
    root: Path | str = "condensed",
    observer: Observer = SILENT,
) -> Path:
    """Return the file of the set that was made from a dataset, as ``datastill distill`` files it.

    Args:
        data: the dataset; of one that was brought to several sizes it has to say which.
        method: by which it was made.
        ipc: images per class, or the words for it.
        root: folder for synthetic sets.
        observer: is told of sets of other runs beside it.

    Raises:
        InputError: without a name; when there are several.
    """
    if data.name is None:
        raise InputError(
            "name a set by its path, or by `data`, `method` and `ipc`",
            typed="name a set by its path, or by --dataset, --method and --ipc",
        )
    dataset, root = dataset_name(data.name, data.path, data.sides), Path(root)
    method, label = METHODS.spelling(method), parse(ipc).label
    place = found(set_folder(root, dataset, method, label), observer)
    if not place.exists():
        names = [path.name for path in sorted(root.glob(f"{glob.escape(dataset)}-*"))]
        sized = [name for name in names if re.fullmatch(r"\d+(x\d+)?", name[len(dataset) + 1 :])]
        places = [set_folder(root, name, method, label) for name in sized]
        there = [path for path in places if path.exists()]
        if len(there) > 1:
            raise InputError(f"there are {listed([str(path) for path in there])}; name one")
        place = there[0] if there else place
    return set_file(place)
