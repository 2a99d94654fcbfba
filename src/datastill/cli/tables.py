"""Tables of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from datastill.cli.console import Console

if TYPE_CHECKING:
    from datastill.evaluation.comparison import Ranking, Row
    from datastill.evaluation.plan import Result

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
        _bytes(row),
        f"{row.seconds:.0f}",
    )


def _bytes(row: Row) -> str:
    models = f", models {row.model_bytes / 1000:,.0f} kB" if row.model_bytes else ""
    return f"{row.image_bytes / 1000:,.2f} + {row.label_bytes / 1000:,.2f} kB{models}"


def show_rankings(rankings: Sequence[Ranking], console: Console) -> None:
    """Print DD-Ranking's scores."""
    if not rankings:
        return
    columns = ("set", "model", "HLR (lower)", "IOR", "LRS", "ARS", "labels")
    rows = [
        (
            one.name,
            one.model,
            "-" if one.hlr is None else f"{one.hlr:+.3f}",
            f"{one.ior:+.3f}",
            "-" if one.lrs is None else f"{one.lrs:.3f}",
            f"{one.ars:.3f}",
            _labels(one),
        )
        for one in rankings
    ]
    console.table("DD-Ranking, of accuracies as fractions", columns, rows)


def _labels(one: Ranking) -> str:
    if one.label_bytes is None:
        return "-"
    models = f", models {one.model_bytes / 1000:,.0f} kB" if one.model_bytes else ""
    return f"{one.labels}, {one.label_bytes / 1000:,.2f} kB{models}"
