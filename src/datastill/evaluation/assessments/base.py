"""What an assessment is, and how one is found by name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from datastill.base.registry import Registry
from datastill.evaluation.evidence import Evidence


@dataclass(frozen=True)
class Score:
    """What an assessment says of a set, and whether more of it or less is better."""

    value: float
    better: Literal["higher", "lower"]

    @property
    def worth(self) -> float:
        """The value with the sign that makes more of it better."""
        return self.value if self.better == "higher" else -self.value


class Assessment(Protocol):
    """Scores a synthetic set without a test set."""

    def __call__(self, evidence: Evidence) -> Score:
        """Return a finite score that does not depend on the order of the images.

        Raises:
            InputError: when the evidence does not suffice.
        """
        ...


ASSESSMENTS = Registry[Assessment]("assessment", "datastill.assessments")

COSTLY = Registry[Assessment]("costly assessment")
"""Those of ``ASSESSMENTS`` that train networks, and are made only when asked for by name."""


def mean(values: Iterable[float]) -> float:
    """Average, with sums that do not depend on the order."""
    found = list(values)
    return math.fsum(found) / len(found)
