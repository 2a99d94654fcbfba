"""Tables of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datastill.base.errors import InputError
from datastill.cli.console import Console

if TYPE_CHECKING:
    from datastill.evaluation.comparison import Ranking, Row
    from datastill.evaluation.validation import Result

REFERENCE = "random"


def show_results(
    title: str, results: Sequence[Result], console: Console, *, timed: bool = True
) -> None:
    """Print what each set is worth, and by how much it differs from random real images.

    Args:
        title: of the table.
        results: those of one validation.
        console: to print on.
        timed: whether to tell seconds.
    """
    from datastill.training.accuracies import difference

    models = list(dict.fromkeys(row.model for row in results))
    references = {row.model: row.accuracies for row in results if row.source == REFERENCE}
    rows: list[tuple[str, ...]] = []
    for row in results:
        gain, other = "", references.get(row.model)
        paired = other is not None and len(other.values) == len(row.accuracies.values)
        if other is not None and paired and row.source != REFERENCE:
            gain = str(difference(row.accuracies, other))
        gains = (gain,) if references else ()
        its = (row.model,) if len(models) > 1 else ()
        spent = (f"{row.seconds:.0f}",) if timed else ()
        rows.append((row.source, *its, str(row.accuracies), *gains, *spent))
    gained = ("minus random (95 %)",) if references else ()
    its, spent = ("model",) if len(models) > 1 else (), ("seconds",) if timed else ()
    title = title if its else f"{title}, {models[0]}"
    console.table(title, ("trained on", *its, "mean ± std", *gained, *spent), rows)


def results_in(report: Mapping[str, Any]) -> list[Result]:
    """Return the results of a validation as it was written.

    Raises:
        InputError: when they are none.
    """
    from datastill.evaluation.validation import Result

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
    from datastill.evaluation.comparison import Ranking, Row, compared

    try:
        rows: list[dict[str, Any]] = [{**_typed(row), "over_random": None} for row in table["rows"]]
        return compared([Row(**row) for row in rows]), [
            Ranking(**one) for one in table["dd_ranking"]
        ]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"the comparison that was kept makes no sense: {error!r}") from None


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    from datastill.training.accuracies import Accuracies

    values = tuple(map(float, row["accuracies"]["values"]))
    return {**row, "accuracies": Accuracies(values)}


def show_comparison(rows: Sequence[Row], console: Console) -> None:
    """Print a table for each architecture: what every set is worth, and what it takes."""
    columns = (
        *("trained on", "images", "mean ± std", "minus random (95 %)", "of gap"),
        *("images + labels", "seconds"),
    )
    for model in dict.fromkeys(row.model for row in rows):
        console.table(
            f"Test accuracy of {model}",
            columns,
            [_compared(row) for row in rows if row.model == model],
        )


def _compared(row: Row) -> tuple[str, ...]:
    return (
        row.title,
        f"{row.images:,}",
        str(row.accuracies),
        "" if row.over_random is None else str(row.over_random),
        "" if row.recovered is None else f"{row.recovered:.0%}",
        f"{row.image_bytes / 1000:,.2f} + {row.label_bytes / 1000:,.2f} kB",
        f"{row.seconds:.0f}",
    )


def show_rankings(rankings: Sequence[Ranking], console: Console) -> None:
    """Print DD-Ranking's scores."""
    if not rankings:
        return
    columns = ("set", "model", "HLR (lower)", "IOR", "LRS", "ARS")
    rows = [
        (
            one.name,
            one.model,
            "-" if one.hlr is None else f"{one.hlr:+.3f}",
            f"{one.ior:+.3f}",
            "-" if one.lrs is None else f"{one.lrs:.3f}",
            f"{one.ars:.3f}",
        )
        for one in rankings
    ]
    console.table("DD-Ranking, of accuracies as fractions", columns, rows)
