"""Many runs that differ in a few values, each in a folder of its own, and a table of all."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from os import PathLike
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError, of_kind
from datastill.base.wording import as_folder
from datastill.runs.conduct.futures import Executor
from datastill.runs.conduct.given import conduct_of
from datastill.runs.conduct.keeping import USUAL, Keeping
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.conduct.stop import StopRequest
from datastill.runs.executors.pieces import place_of
from datastill.runs.executors.spreading import Piece, carried_out, require_none
from datastill.runs.executors.tasks import DONE, work_here
from datastill.runs.specs import Spec, Unit
from datastill.store import locked, read_json, read_table, write_json

VALUES = "sweep.json"
"""File with what every run found, in the folder of a sweep."""
RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
"""Whole numbers from one to another, both included."""
LONGEST = 18
"""Digits of such a number: what follows from a longer one nobody can tell from its neighbour."""
MOST = 10_000
"""Runs of a sweep; more is a mistake."""


Make = Callable[[Mapping[str, str]], Spec]
"""Describes a run by values of options."""


@dataclass(frozen=True)
class Swept:
    """What the runs of a sweep found.

    Attributes:
        rows: what each found, by the names of the runs, and of what was found.
        folder: that holds a folder for each, and ``sweep.json``, which has those of earlier sweeps.
    """

    rows: Mapping[str, Mapping[str, float | str]]
    folder: Path


def values_over(asked: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read what a person types of what is to differ.

    Args:
        asked: ``name=value,value``, or ``name=first..last`` for whole numbers.

    Raises:
        InputError: for anything else, a name that comes twice, or too many runs.

    >>> values_over(["alphas=1,10", "seed=0..2"])
    {'alphas': ('1', '10'), 'seed': ('0', '1', '2')}
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in asked:
        name, equals, words = text.partition("=")
        name, values = name.lstrip("-").replace("_", "-"), _values(words)
        if not equals or not name or not all(values):
            raise InputError(
                f"`over` takes a name and values, alphas=1,10,100 or seed=0..4, found {text!r}"
            )
        if name in found:
            raise InputError(f"`over` has {name} twice; give all of its values at once")
        if len(set(values)) < len(values):
            raise InputError(f"`over` has a value of {name} twice: {words}")
        found[name] = values
    if not found:
        raise InputError("`over` needs what is to differ, such as alphas=1,10,100 or seed=0..4")
    return found


def points(over: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """Return all combinations of values, by the names of their runs.

    Raises:
        InputError: when they are too many.

    >>> points({"alphas": ("1", "10"), "seed": ("0",)})["alphas=10,seed=0"]
    {'alphas': '10', 'seed': '0'}
    """
    count = 1
    for values in over.values():
        count *= len(values)
    if count > MOST:
        raise InputError(f"`over` asks for {count} runs, more than {MOST}")
    rows = (dict(zip(over, row, strict=True)) for row in product(*over.values()))
    return {",".join(f"{name}={value}" for name, value in row.items()): row for row in rows}


def different(
    make: Make, over: Mapping[str, Sequence[str]], own: Collection[str] = ()
) -> Mapping[str, Spec]:
    """Return the runs of all combinations of values, no two of which are the same.

    Args:
        make: describes a run by values of options.
        over: what is to differ.
        own: options that may be about how a command works alone, and not about what it makes.

    Raises:
        InputError: when two are, or an option changes nothing: a run does not follow from it.
    """
    rows = points(over)
    _require_effect(make, over, own)
    specs = {name: make(row) for name, row in rows.items()}
    first: dict[str, str] = {}
    for name, spec in specs.items():
        if (other := first.setdefault(spec.digest, name)) != name:
            raise InputError(
                f"{other} and {name} are one and the same run: what differs between them is "
                "nothing that a run follows from; leave it out of `over`"
            )
    return specs


def sweep(
    specs: Mapping[str, Spec],
    folder: Path | str,
    *,
    keeping: Keeping = USUAL,
    observer: Observer = SILENT,
    stop: StopRequest | None = None,
    executor: Executor | None = None,
) -> Swept:
    """Carry out runs, each in a folder of its own, those that take longest first if you know.

    In a folder where it was begun before, a sweep goes on where it stopped, adds what is new, and
    carries out nothing twice.

    Args:
        specs: what the runs follow from, by names of their own.
        folder: of the sweep.
        keeping: how often a run that is under way is kept.
        observer: watches.
        stop: asks to stop; what is under way is kept where it can.
        executor: carries out runs side by side; None one after another, here.

    Raises:
        InputError: when one cannot be carried out, or failed twice; the others are kept.
        Stopped: when that was asked for.
    """
    pieces = _pieces(specs, folder)
    conduct = conduct_of(Spec, pieces[0].unit.spec, folder, keeping, observer, stop, executor)
    with locked(Path(folder)):
        lost = [piece for piece in pieces if _row_file(piece).exists() and not piece.is_done]
        failed, done = carried_out(pieces, conduct, executor or work_here())
        for piece in (piece for piece in lost if piece.title in failed):
            failed[piece.title] += f"; what it came to was deleted: delete {piece.folder} as well"
        rows = {piece.title: _row(piece) for piece in pieces if piece.title not in failed}
        before = _before(Path(folder, VALUES), specs, conduct.observer)
        write_json(Path(folder, VALUES), {"runs": before | _told(specs, rows)})
    require_none(failed, done)
    return conduct.ended(Swept(rows, Path(folder)))


def _pieces(specs: Any, folder: Any) -> list[Piece]:
    of_kind(Mapping, "descriptions of runs by their names", specs=specs)
    of_kind((str, PathLike), "the path of a folder", folder=folder)
    if not specs:
        raise InputError("a sweep of no runs; `specs` needs at least one")
    for name, spec in specs.items():
        of_kind(str, "descriptions of runs by their names", specs=name)
        of_kind(Spec, "descriptions of runs, such as a DistillSpec", specs=spec)
    places = {name: Path(folder, as_folder(name)) for name in specs}
    if len(set(places.values())) < len(places):
        raise InputError("two runs of the sweep would have the same folder; name them otherwise")
    return [Piece(name, Unit("", specs[name]), places[name]) for name in specs]


def _values(words: str) -> tuple[str, ...]:
    found: list[str] = []
    for word in words.split(","):
        ends = RANGE.fullmatch(word)
        if ends is None:
            found.append(word)
            continue
        if max(map(len, ends.groups())) > LONGEST:
            raise InputError(
                f"{as_folder(word)} is no range: a number has {LONGEST} digits at the most"
            )
        first, last = int(ends[1]), int(ends[2])
        if first > last:
            raise InputError(f"{word} is no range: it goes from a number to one that is not less")
        if last - first >= MOST:
            raise InputError(f"`over` asks for {last - first + 1} runs by {word}, more than {MOST}")
        found += map(str, range(first, last + 1))
    return tuple(found)


def _row_file(piece: Piece) -> Path:
    return place_of(piece.unit.spec, piece.folder) / DONE


def _row(piece: Piece) -> dict[str, float | str]:
    found: dict[str, float | str] = read_json(_row_file(piece))
    return found


def _require_effect(make: Make, over: Mapping[str, Sequence[str]], own: Collection[str]) -> None:
    first = {name: values[0] for name, values in over.items()}
    for name in (name for name in over if name in own):
        without = make({k: value for k, value in first.items() if k != name})
        if all(make({**first, name: value}) == without for value in over[name]):
            raise InputError(
                f"`over` has {name}, which says how a run is kept or told, and nothing that it "
                "follows from; leave it out, and name options that change what is made, such as "
                "seed=0..4"
            )


def _before(file: Path, specs: Collection[str], observer: Observer) -> dict[str, dict[str, Any]]:
    # What earlier sweeps into the same folder found, of runs that are not asked for now.
    if not file.exists():
        return {}
    try:
        runs = read_table(file)["runs"]
        return {name: row for name, row in runs.items() if name not in specs}
    except (InputError, KeyError, AttributeError):
        observer.message(f"{file} is damaged: it holds no table of runs; it is written anew")
        return {}


def _told(
    specs: Mapping[str, Spec], rows: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    return {
        name: {"run": {"kind": specs[name].kind, **specs[name].table()}, "found": row}
        for name, row in rows.items()
    }
