"""Options that say what becomes of a run that is cut off."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datastill.base.errors import InputError
from datastill.cli.differences import told
from datastill.cli.options import Flag, not_negative

if TYPE_CHECKING:
    from datastill.cli.console import Console
    from datastill.store import Checkpoint, CheckpointFile

OVERWRITE = "pass the same options, or --overwrite to start over"


def require_same_run(held: Mapping[str, Any], asked: Mapping[str, Any], place: Path) -> None:
    """Refuse to go on with a run that was asked for otherwise.

    Args:
        held: what it was asked for.
        asked: what is asked for now.
        place: of the run.

    Raises:
        InputError: naming the first difference, as options where it is one.
    """
    from datastill.identity import require_same_originals
    from datastill.store import require_same

    require_same_originals(held, asked, str(place), OVERWRITE)
    require_same(held, asked, str(place), OVERWRITE, told=told)


@dataclass(frozen=True)
class Resuming:
    """What becomes of a run that is cut off."""

    resume: Flag = False
    """Go on with the run of the same options that was cut off here, as if it had not been; from the
    start if there is none. Without it a run that is not finished is refused."""
    checkpoint_minutes: float = 5.0
    """Minutes between two checkpoints, to resume from; 0 for one at every pause."""

    def check(self, *, overwrite: bool) -> None:
        """Refuse options that make no sense."""
        not_negative(checkpoint_minutes=[self.checkpoint_minutes])
        if self.resume and overwrite:
            raise InputError("--resume and --overwrite exclude each other")

    def found(self, file: CheckpointFile, console: Console) -> Checkpoint | None:
        """Return the checkpoint to go on from, or None to begin at the start."""
        held = file.load() if self.resume else None
        if held is None:
            return None
        checkpoint, complaint = held
        if complaint:
            console.say(complaint)
        return checkpoint

    def keeper(self, file: CheckpointFile) -> Keeper:
        """Return what writes checkpoints when it is time."""
        return Keeper(file, 60 * self.checkpoint_minutes)


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
