"""Runs of any kind, carried out by the verb of their kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError, of_kind
from datastill.base.usual import as_usual
from datastill.runs.conduct.above import PIECES, VERBS, taken
from datastill.runs.conduct.futures import Executor
from datastill.runs.conduct.given import Conduct, require_kinds
from datastill.runs.conduct.keeping import USUAL, Keeping
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.conduct.stop import StopRequest
from datastill.runs.specs import Spec, Unit


def run(
    spec: Spec,
    folder: Path | str | None = None,
    *,
    keeping: Keeping = USUAL,
    observer: Observer = SILENT,
    stop: StopRequest | None = None,
    executor: Executor | None = None,
) -> Any:
    """Carry out a run, as the verb of its kind does.

    Args:
        spec: what it follows from: made in Python, or read from a file.
        folder: see the verb; without one nothing is written.
        keeping: what becomes of a run that is cut off, or was.
        observer: watches.
        stop: asks to stop.
        executor: carries out its pieces, where it has several.

    Returns:
        What the verb returns: ``Trained``, ``Validated``, ``Compared``, ...

    Raises:
        InputError: see the verb; where that has no use for what it is given.
    """
    how = {"keeping": keeping, "observer": observer, "stop": stop, "executor": executor}
    require_kinds(Spec, spec, folder, **how)
    verb = verb_of(spec.kind)
    given = {
        "folder": (folder, None),
        "keeping": (keeping, USUAL),
        "observer": (observer, SILENT),
        "stop": (stop, None),
        "executor": (executor, None),
    }
    taken = signature(verb).parameters
    for name, (value, usual) in given.items():
        if name not in taken and value is not usual and name != "stop":
            raise InputError(f"a run of kind {spec.kind!r} has no use for `{name}`; leave it out")
    return verb(spec, **{name: value for name, (value, _) in given.items() if name in taken})


@as_usual
def carry_out(
    unit: Unit,
    folder: Path | str,
    *,
    keeping: Keeping = USUAL,
    observer: Observer = SILENT,
    stop: StopRequest | None = None,
) -> Any:
    """Carry out a piece of a run, by itself, into a place of its own in the folder of the run.

    The whole, carried out there later, takes all pieces that it finds, and comes to the same,
    whatever their order and wherever they, and the folder ``.pieces``, were made.

    Args:
        unit: one of ``spec.units()``.
        folder: of the run.
        keeping: what becomes of a piece that is cut off, or was.
        observer: watches.
        stop: asks to stop.

    Returns:
        What the verb returns, where the only piece is the whole.

    Raises:
        InputError: when it cannot be done as asked.
        Stopped: when that was asked for.
    """
    of_kind(Unit, "one of `spec.units()`", unit=unit)
    of_kind((str, PathLike), "the path of a folder", folder=folder)
    of_kind(str, "that of a piece, see `spec.units()`", address=unit.address)
    spec = unit.spec
    require_kinds(Spec, spec, folder, keeping=keeping, observer=observer, stop=stop)
    if not unit.address:
        how = {"keeping": keeping, "observer": observer, "stop": stop}
        return run(spec, folder, **usable(spec, how))
    if spec.kind not in PIECES:
        raise InputError(f"a run of kind {spec.kind!r} has no pieces")
    piece = taken(*PIECES[spec.kind])
    return piece(spec, unit.address, folder, Conduct.of(keeping, observer, stop))


def usable(spec: Spec, how: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the verb of a run has a use for, of all that it may be given."""
    taken = signature(verb_of(spec.kind)).parameters
    return {name: value for name, value in how.items() if name in taken}


def verb_of(kind: str) -> Callable[..., Any]:
    """Return what carries out runs of a kind."""
    return taken(*VERBS[kind])
