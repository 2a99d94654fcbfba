"""Score a synthetic set by many assessments at once, without a test set."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

from datastill.assessments import ASSESSMENTS, COSTLY, Evidence, Score
from datastill.errors import InputError


@dataclass(frozen=True)
class Assessed:
    """A score, and what it cost.

    Attributes:
        score: the value and its direction.
        seconds: that it took. What several assessments share is paid by the first that asks.
    """

    score: Score
    seconds: float


def assess(evidence: Evidence, names: Iterable[str] | None = None) -> dict[str, Assessed]:
    """Score a set by every assessment, or by those named.

    Args:
        evidence: the set, and what it is held against.
        names: of assessments, see ``ASSESSMENTS``; by default all but ``COSTLY`` ones.

    Returns:
        What each said, by its name, in the order of ``names``; by default the registry's.

    Raises:
        InputError: for an unknown name, when the evidence does not suffice, or naming the
            assessment that found no finite value.
    """
    if names is None:
        names = [name for name in ASSESSMENTS.names if name not in COSTLY]
    chosen = [ASSESSMENTS.spelling(name) for name in names]
    return {name: _assessed(name, evidence) for name in chosen}


def _assessed(name: str, evidence: Evidence) -> Assessed:
    started = time.perf_counter()
    score = ASSESSMENTS[name](evidence)
    if not math.isfinite(score.value):
        raise InputError(f"{name} found {score.value} for this set, expected a finite number")
    return Assessed(score, time.perf_counter() - started)
