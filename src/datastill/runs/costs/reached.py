"""What runs were measured to reach: what a person may expect of one of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datastill.base.wording import counted


@dataclass(frozen=True)
class Reached:
    """Test accuracy of networks trained on a set that was distilled without CLOM.

    Attributes:
        dataset: of the real images.
        method: with its published settings.
        ipc: images per class.
        updates: of the set.
        mean: test accuracy by the method's protocol, between 0 and 1.
        std: over networks and sets (n - 1).
        sets: distilled, from as many seeds.
        networks: trained on each.
    """

    dataset: str
    method: str
    ipc: int
    updates: int
    mean: float
    std: float
    sets: int
    networks: int

    def __str__(self) -> str:
        count = counted(self.sets * self.networks, "network")
        return f"{100 * self.mean:.1f} ± {100 * self.std:.1f} % after {self.updates} ({count})"


MEASURED = (
    Reached("FashionMNIST", "DM", 10, 100, 0.808, 0.003, 6, 2),
    Reached("FashionMNIST", "DM", 10, 120, 0.811, 0.003, 1, 3),
    Reached("FashionMNIST", "DM", 10, 500, 0.826, 0.002, 1, 3),
)
"""From docs/results and benchmarks/results, where the commands and every value are."""


def expectation(dataset: str, method: str, counts: Sequence[int], updates: int) -> str:
    """Say what is known of runs about as long, or that nothing is.

    Args:
        dataset: of the real images.
        method: with its published settings.
        counts: images of each class; of runs where they differ nothing is known.
        updates: of the set.

    >>> print(expectation("FashionMNIST", "DM", (10,) * 10, 700))
    measured before: 82.6 ± 0.2 % after 500 (3 networks)
    >>> print(expectation("digits", "DM", (10,) * 10, 700))
    nothing is known yet of what DM reaches on digits at 10 images per class
    >>> print(expectation("digits", "DM", (10, 5, 1), 700))
    nothing is known yet of what DM reaches on digits at 1 to 10 images per class
    """
    few, many = min(counts), max(counts)
    alike = [
        row
        for row in MEASURED
        if (row.dataset, row.method) == (dataset, method) and row.ipc == few == many
    ]
    if not alike:
        each = f"{few} to {many}" if few < many else str(many)
        each += f" image{'s' if many > 1 else ''} per class"
        return f"nothing is known yet of what {method} reaches on {dataset} at {each}"
    below = [row for row in alike if row.updates <= updates]
    above = [row for row in alike if row.updates > updates]
    near = [*sorted(below, key=lambda row: row.updates)[-1:]]
    near += sorted(above, key=lambda row: row.updates)[:1]
    return "measured before: " + ", ".join(map(str, near))
