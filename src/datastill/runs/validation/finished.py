"""Validations that are finished: what lies beside the set, and what answers what is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.evaluation.validation import Trial
from datastill.runs.conduct.keeping import is_same_run
from datastill.runs.conduct.observer import Observer
from datastill.runs.folders.describing import (
    add_description,
    descriptions,
    tell_damaged,
    write_description,
)
from datastill.runs.specs import ValidateSpec
from datastill.store import read_json, stem_of, validation_file, write_json

COUNT = "num_eval"
"""What says how many networks a validation has of each architecture on each set."""


def mend(file: Path, known: Sequence[Mapping[str, Any]], observer: Observer) -> None:
    """Write what a set knows of its validations beside it, where something else is said there.

    Args:
        file: of the set.
        known: its validations.
        observer: is told.
    """
    place = validation_file(file)
    tell_damaged(place, observer)
    with suppress(InputError):
        if not place.exists() or read_json(place) == list(known):
            return
        observer.message(f"{place} says other than the set itself; it is written anew")
    write_json(place, list(known))


def describe(spec: ValidateSpec, file: Path, observer: Observer, *, longer: bool) -> None:
    """Write beside a set what repeats its validation.

    Args:
        spec: the validation.
        file: of the set.
        observer: is told of files that describe nothing.
        longer: whether it goes on with one of fewer networks, whose place it takes.
    """
    beside = replace(spec, set=str(file))
    first = file.with_name(f"{stem_of(file)}{spec.kind}.toml")
    for path, other in descriptions(first) if longer else ():
        if isinstance(other, ValidateSpec) and replace(other, trials=spec.trials) == beside:
            write_description(beside, path)
            return
    add_description(beside, first, observer)


def finished_of(
    finished: Iterable[Mapping[str, Any]], asked: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return the last of finished validations that was asked for alike.

    One of more networks will do: the first of them are those that are asked for.

    Args:
        finished: as they were written down.
        asked: all that the results follow from, as JSON has it.
    """
    alike = [held for held in finished if _is_alike(held, asked)]
    same = [held for held in alike if held.get(COUNT, asked[COUNT]) == asked[COUNT]]
    longer = [held for held in alike if _count(held) > asked[COUNT] and _is_whole(held, asked)]
    return same[-1] if same else _cut(longer[-1], asked[COUNT]) if longer else None


def shorter_of(
    finished: Iterable[Mapping[str, Any]], asked: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return the longest of finished validations that differ from what is asked in being shorter.

    Args:
        finished: see ``finished_of``.
        asked: likewise.
    """
    alike = [held for held in finished if _is_alike(held, asked) and _is_whole(held, asked)]
    fit = [held for held in alike if 0 < _count(held) < asked[COUNT]]
    return max(reversed(fit), key=_count, default=None)


def trials_in(finished: Mapping[str, Any]) -> list[Trial]:
    """Return the trials of a finished validation, as it was written down."""
    found: list[Trial] = []
    for one in finished["results"]:
        values = one["accuracies"]["values"]
        seconds, together = (one.get("seconds") or 0) / len(values), one.get("together") or 1
        obstacle = str(one.get("obstacle") or "")
        right = one.get("right") or [()] * len(values)
        found += [
            Trial(
                *(one["source"], one["model"], i, None, accuracy, seconds, together, obstacle),
                tuple(right[i]),
                tuple(one.get("tested") or ()) if right[i] else (),
            )
            for i, accuracy in enumerate(values)
        ]
    return found


def _is_alike(held: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    return is_same_run(held, {name: value for name, value in asked.items() if name != COUNT})


def _count(held: Mapping[str, Any]) -> int:
    count = held.get(COUNT)
    return count if type(count) is int else 0


def _cut(held: Mapping[str, Any], count: int) -> dict[str, Any]:
    share = count / held[COUNT]
    results = [
        {
            **one,
            "accuracies": {"values": one["accuracies"]["values"][:count]},
            "seconds": round((one.get("seconds") or 0) * share, 1),
            **({"right": one["right"][:count]} if one.get("right") else {}),
        }
        for one in held["results"]
    ]
    return {**held, COUNT: count, "results": results}


def _is_whole(held: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    places = [(model, source) for model in asked["models"] for source in asked["sets"]]
    found = {
        (one.get("model"), one.get("source")): len((one.get("accuracies") or {}).get("values", ()))
        for one in held.get("results") or ()
    }
    return found == dict.fromkeys(places, held[COUNT])
