"""What an assessment costs, its original models included, and what nothing beats at its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from datastill.evaluation.scores import needs_of_all
from datastill.evaluation.studies.records import Record

CHOICES = (1, 10, 50)
"""Sets among which one may have to choose: what is paid once, each pays its share of."""


@dataclass(frozen=True)
class Expense:
    """What it takes to score sets.

    Attributes:
        seconds: for each set.
        once: for the real images, however many sets there are.
        models: for training the original models that are asked; 0 where none is, None where
            nobody knows.
    """

    seconds: float
    once: float
    models: float | None

    def of_each(self, sets: int) -> float | None:
        """Return what one of so many sets costs; None where nobody knows."""
        if self.models is None:
            return None
        return self.seconds + (self.once + self.models) / sets

    def shares(self, validation: float) -> Mapping[int, float | None]:
        """Return the cost of one of ``CHOICES`` sets, by their number.

        Args:
            validation: seconds of validating a set by one network, which is 1.
        """
        found = {sets: self.of_each(sets) for sets in CHOICES}
        return {n: None if one is None else one / max(validation, 1e-9) for n, one in found.items()}


def asks_models(name: str) -> bool:
    """Whether an assessment asks original models.

    >>> asks_models("om-accuracy@4"), asks_models("trajectory-distance"), asks_models("diversity")
    (True, False, False)
    """
    return "originals" in needs_of_all([name])


def expense(name: str, records: Sequence[Record], models: float | None) -> Expense:
    """Tell what an assessment costs in a study.

    Args:
        name: of the assessment.
        records: of sets that have a score by it.
        models: seconds that training all original models took; None where nobody knows.
    """
    scores = [record.scores[name] for record in records]
    return Expense(
        fmean(found.seconds for found in scores),
        fmean(found.once for found in scores),
        models if asks_models(name) else 0.0,
    )


def unbeaten(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return which of some costs and losses nothing beats, by their costs.

    What is beaten is as high in both as another, and higher in one.

    >>> unbeaten([(1.0, 3.0), (2.0, 1.0), (2.0, 2.0), (0.5, 4.0)])
    [3, 0, 1]
    """
    found: list[int] = []
    for i in sorted(range(len(points)), key=lambda i: points[i]):
        if not found or points[i][1] < points[found[-1]][1] or points[i] == points[found[-1]]:
            found.append(i)
    return found
