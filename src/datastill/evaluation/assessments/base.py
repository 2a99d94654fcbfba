"""What an assessment is, and how one is found by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, get_args, runtime_checkable

from datastill.base.errors import InputError, told
from datastill.base.own_code import declared
from datastill.base.registry import Registry
from datastill.evaluation.evidence import Evidence

T = TypeVar("T")
Need = Literal["originals", "held_out"]
"""What evidence may lack: original models, and training images that nothing has seen."""


@dataclass(frozen=True)
class Score:
    """What an assessment says of a set, and whether more of it or less is better."""

    value: float
    better: Literal["higher", "lower"]

    def __post_init__(self) -> None:
        try:
            plain = float("nan" if isinstance(self.value, str | bool) else self.value)
        except (TypeError, ValueError, RuntimeError):
            plain = math.nan
        if math.isnan(plain) and not isinstance(self.value, float):
            raise InputError(f"the value of a Score is one number, found {told(self.value)}")
        if self.better not in ("higher", "lower"):
            raise InputError(f"a Score is better 'higher' or 'lower', found {told(self.better)}")
        object.__setattr__(self, "value", plain)

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


@runtime_checkable
class Numbered(Protocol):
    """An assessment by networks of its own, of which ``NAME@NUMBER`` says how many or how long.

    Its name may also be followed by the architecture of these networks: ``NAME/ResNet18@20``.
    """

    @property
    def number(self) -> int:
        """The one that it has without being told."""
        ...

    def at(self, number: int) -> Assessment:
        """Return the same with another number, above 0."""
        ...


def needing(*needs: Need) -> Callable[[T], T]:
    """Return a decorator that says what an assessment needs; otherwise it needs original models.

    Those that train or draw networks of their own need no more of these than an architecture.
    """

    def mark(assessment: T) -> T:
        given: Any = assessment
        given.needs = frozenset(needs)
        return assessment

    return mark


def needs_of(assessment: Assessment) -> frozenset[Need]:
    """Return what an assessment needs."""
    return declared(assessment, ("originals",), get_args(Need))


ASSESSMENTS = Registry[Assessment]("assessment", "datastill.assessments", gives=(Score,))

COSTLY = Registry[Assessment]("costly assessment")
"""Those of ``ASSESSMENTS`` that train networks or put others together, and are made only when asked
for by name, and in a study."""


def mean(values: Iterable[float]) -> float:
    """Average, with sums that do not depend on the order."""
    found = list(values)
    return math.fsum(found) / len(found)
