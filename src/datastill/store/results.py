"""Validations and comparisons as they were written, read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, TypeVar

from datastill.base.errors import InputError, is_number
from datastill.evaluation.comparison import Ranking, Row, compared
from datastill.evaluation.plan import Result, counts_in

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
FAULTS = (AttributeError, LookupError, TypeError, ValueError, OverflowError, RecursionError)
"""What reading a record raises that somebody changed."""


def results_in(report: Mapping[str, Any]) -> list[Result]:
    """Return the results of a validation as it was written.

    Raises:
        InputError: when they are none.
    """
    try:
        return [_made(Result, _typed(row)) for row in report["results"]]
    except FAULTS as error:
        raise InputError(f"the validation that was kept makes no sense: {error!r}") from None


def rows_in(table: Mapping[str, Any]) -> tuple[list[Row], list[Ranking]]:
    """Return the rows of a comparison as it was written, and DD-Ranking's scores.

    Differences follow from the accuracies: those that older comparisons wrote down do not count.

    Raises:
        InputError: when they are none.
    """
    try:
        rows: list[dict[str, Any]] = [{**_typed(row), "over_random": None} for row in table["rows"]]
        return compared([_made(Row, row) for row in rows]), [
            _made(Ranking, one) for one in table["dd_ranking"]
        ]
    except FAULTS as error:
        raise InputError(f"the comparison that was kept makes no sense: {error!r}") from None


def demo_in(table: Mapping[str, Any]) -> dict[int, list[Result]]:
    """Return the results of a demo by images per class, each with those of all real images.

    Raises:
        InputError: when they are none.
    """
    try:
        found: dict[int | None, list[Result]] = {}
        for row in table["results"]:
            told = {name: value for name, value in row.items() if name != "ipc"}
            found.setdefault(row["ipc"], []).append(_made(Result, _typed(told)))
        whole = found.pop(None, [])
        return {int(ipc or 0): [*rows, *whole] for ipc, rows in found.items()}
    except FAULTS as error:
        raise InputError(
            f"what the demo found makes no sense: {error!r}; make it anew: datastill demo"
        ) from None


def _made(kind: type[T], values: Mapping[str, Any]) -> T:
    # A row of a file, each of whose values is of the kind that it must be.
    import msgspec

    if unknown := set(values) - {one.name for one in fields(kind)}:
        raise ValueError(f"it says {min(unknown)!r}, which nothing is known of")
    found = msgspec.convert(values, kind)
    if not all(map(is_number, _floats(asdict(found)))):
        raise ValueError("a number that is not finite")
    return found


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list | tuple):
        inside: Iterable[Any] = value.values() if isinstance(value, dict) else value  # pyright: ignore[reportUnknownVariableType]
        for one in inside:
            yield from _floats(one)


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    values = tuple(map(float, row["accuracies"]["values"]))
    if not values or not all(0 <= value <= 1 for value in values):
        raise ValueError("accuracies that are no shares of test images")
    return {**row, "accuracies": {"values": values}, **_counts(row, len(values))}


def _counts(row: Mapping[str, Any], count: int) -> dict[str, Any]:
    # Class by class, of each of so many networks, where it is there; older files do not say.
    held, tested = row.get("right") or (), row.get("tested") or ()
    if not held:
        return {"right": (), "tested": ()}
    if len(held) != count:
        raise ValueError("counts of other networks than there are")
    found = [counts_in({"right": right, "tested": tested}) for right in held]
    return {"right": tuple(one["right"] for one in found), "tested": found[0]["tested"]}
