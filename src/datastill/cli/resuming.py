"""Options that say what becomes of a run that is cut off."""

from __future__ import annotations

from dataclasses import dataclass

from datastill.cli.logs import Logs
from datastill.cli.options import Flag
from datastill.runs.keeping import Keeping


@dataclass(frozen=True)
class Resuming:
    """What becomes of a run that is cut off."""

    resume: Flag = False
    """Go on with the run of the same options that was cut off here, as if it had not been; from the
    start if there is none. Without it a run that is not finished is refused."""
    checkpoint_minutes: float = 5.0
    """Minutes between two checkpoints, to resume from; 0 for one at every pause."""

    def keeping(self, *, overwrite: bool = False, logs: Logs | None = None) -> Keeping:
        """Return what is kept of the run.

        Raises:
            InputError: for options that make no sense, or lack a library.
        """
        sinks = logs.sinks() if logs else ()
        return Keeping(self.resume, overwrite, self.checkpoint_minutes, sinks)
