"""What is kept of a run while it is under way, and what becomes of one that was cut off."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datastill.base.errors import InputError, in_plain_numbers, not_negative, of_kind, truth
from datastill.runs.conduct.differences import told
from datastill.runs.conduct.observer import Observer

if TYPE_CHECKING:
    from datastill.store import Checkpoint, CheckpointFile, Journal

OVERWRITE = "pass the same options, or `overwrite=True` to start over"


EXECUTION = "execution"
"""How a run is computed, among what it was asked for: it goes on under another, which is told."""


def require_same_run(
    held: Mapping[str, Any],
    asked: Mapping[str, Any],
    place: Path,
    observer: Observer | None = None,
) -> None:
    """Refuse to go on with a run that was asked for otherwise.

    Args:
        held: what it was asked for.
        asked: what is asked for now.
        place: of the run.
        observer: is told where it is computed otherwise from now on.

    Raises:
        InputError: naming the first difference.
    """
    from datastill.identity import require_same_originals
    from datastill.store import require_same

    wanted = {name: value for name, value in asked.items() if name != EXECUTION}
    require_same_originals(held, wanted, str(place), OVERWRITE)
    require_same(held, wanted, str(place), OVERWRITE, told=told)
    then, now = (table.get(EXECUTION) or {} for table in (held, asked))
    others = [
        f"{name} {then[name]}, now {now[name]}" for name in then if then[name] != now.get(name)
    ]
    if observer is not None and now and others:
        observer.message(
            f"the run in {place} was computed with {'; '.join(others)}: the last bits may differ"
        )


def is_same_run(held: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Tell whether a run is the one that is asked for, see ``require_same_run``."""
    try:
        require_same_run(held, asked, Path())
    except InputError:
        return False
    return True


@dataclass(frozen=True)
class Keeping:
    """What is kept of a run while it is under way, and what becomes of what lies in its folder.

    Attributes:
        resume: whether to go on with the run of the same description that was cut off there, as if
            it had not been; from the start if there is none. Otherwise one that is not finished is
            refused.
        overwrite: whether to replace what is there.
        checkpoint_minutes: between two checkpoints; 0 for one at every pause.
        sinks: what its course is written to besides ``log.jsonl``: tensorboard, trackio.
        report_minutes: between two pages of it, ``report.html`` in its folder; 0 for none.
    """

    resume: bool = False
    overwrite: bool = False
    checkpoint_minutes: float = 5.0
    sinks: tuple[str, ...] = ()
    report_minutes: float = 0.0

    def __post_init__(self) -> None:
        truth(resume=self.resume, overwrite=self.overwrite)
        not_negative(checkpoint_minutes=self.checkpoint_minutes, report_minutes=self.report_minutes)
        of_kind((tuple, list), "a list of names, such as ('tensorboard',)", sinks=self.sinks)
        in_plain_numbers(self, "checkpoint_minutes", "report_minutes")
        object.__setattr__(self, "sinks", tuple(self.sinks))
        if self.resume and self.overwrite:
            raise InputError("`resume=True` and `overwrite=True` exclude each other")

    def found(self, file: CheckpointFile, observer: Observer) -> Checkpoint | None:
        """Return the checkpoint to go on from, or None to begin at the start."""
        held = file.load() if self.resume else None
        if held is None:
            return None
        checkpoint, complaint = held
        if complaint:
            observer.message(complaint)
        return checkpoint

    def keeper(self, file: CheckpointFile) -> Keeper:
        """Return what writes checkpoints when it is time."""
        return Keeper(file, 60 * self.checkpoint_minutes)

    @contextmanager
    def journal(
        self, file: Path, project: str, name: str, settings: Mapping[str, Any], observer: Observer
    ) -> Generator[Journal]:
        """Open the journal of a run, and say where else it can be looked at."""
        from datastill.store import Run, open_journal

        with open_journal(file, Run(project, name, settings), self.sinks) as opened:
            yield opened
        if "tensorboard" in self.sinks:
            observer.message(f"its course: tensorboard --logdir {file.parent}")
        if "trackio" in self.sinks:
            observer.message(f"its course: trackio show --project {project}")


USUAL = Keeping()
"""A run begins in a free folder, and has a checkpoint every few minutes."""


@dataclass
class Keeper:
    """Writes checkpoints, and knows when the next is due.

    Attributes:
        file: where.
        seconds: that lie between two.
    """

    file: CheckpointFile
    seconds: float
    kept: float = field(default_factory=time.perf_counter)

    @property
    def due(self) -> bool:
        """Whether it is time for another."""
        return time.perf_counter() - self.kept >= self.seconds

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint."""
        self.file.save(checkpoint)
        self.kept = time.perf_counter()
