"""Tables of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from datastill.cli.console import Console

if TYPE_CHECKING:
    from datastill.validation import Result

REFERENCE = "random"


def show_results(title: str, results: Sequence[Result], console: Console) -> None:
    """Print what each set is worth, and by how much it differs from random real images."""
    from datastill.validation import difference

    references = {row.model: row.accuracies for row in results if row.source == REFERENCE}
    rows: list[tuple[str, ...]] = []
    for row in results:
        gain, other = "", references.get(row.model)
        paired = other is not None and len(other.values) == len(row.accuracies.values)
        if other is not None and paired and row.source != REFERENCE:
            gain = str(difference(row.accuracies, other))
        rows.append((row.source, row.model, str(row.accuracies), gain, f"{row.seconds:.0f}"))
    columns = ("trained on", "model", "mean ± std", "minus random (95 %)", "seconds")
    console.table(title, columns, rows)
