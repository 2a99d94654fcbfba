"""What a validation found, and what is written of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datastill.base.notebooks import of_run
from datastill.evaluation.plan import Result
from datastill.evaluation.validation import Trial
from datastill.runs.inputs.origin import Caveats
from datastill.store import Journal


@dataclass(frozen=True, eq=False)
class Validated:
    """What a validation found.

    Attributes:
        results: of each architecture on the set, and on what it is compared with.
        caveats: what a person has to know of them.
        images: that the set has.
        report: all that, and what it follows from, as files hold it.
        file: with the report; None where nothing was written.
        networks: folder of the trained networks; None where they were not kept.
    """

    results: Sequence[Result]
    caveats: Caveats
    images: int
    report: Mapping[str, Any]
    file: Path | None = None
    networks: Path | None = None

    _repr_html_ = of_run


def log_trial(trial: Trial, journal: Journal) -> None:
    """Write down that a network was trained and tested."""
    journal.log(
        "trial",
        of=f"{trial.model} on {trial.source}",
        source=trial.source,
        model=trial.model,
        step=trial.number + 1,
        accuracy=trial.accuracy,
        seconds=round(trial.seconds, 1),
    )
