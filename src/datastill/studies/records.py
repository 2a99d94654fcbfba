"""What is known of one set of a study: how it did, and what every assessment said of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import Any

from datastill.assessments import Score
from datastill.data import ImageSet
from datastill.scores import Assessed

GUIDED = "+CLOM"


@dataclass(frozen=True)
class Outcome:
    """One network trained on a set: its accuracy on the test set, and the seconds it took."""

    accuracy: float
    seconds: float


@dataclass(frozen=True)
class Record:
    """What is known of one set.

    Attributes:
        name: of the set.
        method: that made it, with ``+CLOM`` where original models guided it.
        ipc: images per class; of uneven classes, those of the largest.
        trials: by their numbers from 0.
        scores: by the names of the assessments.
    """

    name: str
    method: str
    ipc: int
    trials: tuple[Outcome, ...] = ()
    scores: Mapping[str, Assessed] = field(default_factory=dict[str, Assessed])

    @property
    def accuracy(self) -> float:
        """The mean over the trials."""
        return fmean(trial.accuracy for trial in self.trials)

    @property
    def guided(self) -> bool:
        """Whether original models had a hand in it."""
        return self.method.endswith(GUIDED)

    def with_trial(self, outcome: Outcome) -> Record:
        """Return the record with one more trial."""
        return replace(self, trials=(*self.trials, outcome))

    def with_scores(self, scores: Mapping[str, Assessed]) -> Record:
        """Return the record with further scores."""
        return replace(self, scores={**self.scores, **scores})


def blank(name: str, data: ImageSet) -> Record:
    """Return the record of a set that nothing is known of but where it comes from."""
    method = str(data.facts.get("method", "unknown"))
    guided = GUIDED if data.facts.get("clom") else ""
    return Record(name, method + guided, max(data.counts))


def table_of(record: Record) -> dict[str, Any]:
    """Return a record as JSON can hold it."""
    return asdict(record)


def record_of(table: Mapping[str, Any]) -> Record:
    """Return the record that ``table_of`` made a table of.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: when it is no such table.
    """
    scores = {
        str(name): Assessed(_score(found["score"]), float(found["seconds"]), float(found["once"]))
        for name, found in dict(table["scores"]).items()
    }
    trials = tuple(Outcome(**trial) for trial in table["trials"])
    if not all(0 <= trial.accuracy <= 1 and trial.seconds >= 0 for trial in trials):
        raise ValueError("an accuracy that is no share, or a negative time")
    return Record(str(table["name"]), str(table["method"]), int(table["ipc"]), trials, scores)


def _score(table: Mapping[str, Any]) -> Score:
    found = Score(**table)
    if not math.isfinite(found.value) or found.better not in ("higher", "lower"):
        raise ValueError(f"a score of {found.value!r} of which {found.better!r} is better")
    return found
