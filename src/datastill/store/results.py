"""Validations and comparisons as they were written, read again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datastill.base.errors import InputError
from datastill.evaluation.comparison import Ranking, Row, compared
from datastill.evaluation.plan import Result, counts_in
from datastill.training.accuracies import Accuracies


def results_in(report: Mapping[str, Any]) -> list[Result]:
    """Return the results of a validation as it was written.

    Raises:
        InputError: when they are none.
    """
    try:
        return [Result(**_typed(row)) for row in report["results"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the validation that was kept makes no sense: {error!r}") from None


def rows_in(table: Mapping[str, Any]) -> tuple[list[Row], list[Ranking]]:
    """Return the rows of a comparison as it was written, and DD-Ranking's scores.

    Differences follow from the accuracies: those that older comparisons wrote down do not count.

    Raises:
        InputError: when they are none.
    """
    try:
        rows: list[dict[str, Any]] = [{**_typed(row), "over_random": None} for row in table["rows"]]
        return compared([Row(**row) for row in rows]), [
            Ranking(**one) for one in table["dd_ranking"]
        ]
    except (KeyError, IndexError, TypeError, ValueError) as error:
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
            found.setdefault(row["ipc"], []).append(Result(**_typed(told)))
        whole = found.pop(None, [])
        return {int(ipc or 0): [*rows, *whole] for ipc, rows in found.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"what the demo found makes no sense: {error!r}; make it anew: datastill demo"
        ) from None


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    values = tuple(map(float, row["accuracies"]["values"]))
    return {**row, "accuracies": Accuracies(values), **_counts(row, len(values))}


def _counts(row: Mapping[str, Any], count: int) -> dict[str, Any]:
    # Class by class, of each of so many networks, where it is there; older files do not say.
    held, tested = row.get("right") or (), row.get("tested") or ()
    if not held:
        return {"right": (), "tested": ()}
    if len(held) != count:
        raise ValueError("counts of other networks than there are")
    found = [counts_in({"right": right, "tested": tested}) for right in held]
    return {"right": tuple(one["right"] for one in found), "tested": found[0]["tested"]}
