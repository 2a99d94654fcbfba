"""Options that say where the course of a run is told and written."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datastill.cli.console import Console
from datastill.cli.options import Flag

if TYPE_CHECKING:
    from datastill.store import Journal


@dataclass(frozen=True)
class Logs:
    """Where the course of a run is told and written, besides log.jsonl."""

    tensorboard: Flag = False
    """Write to TensorBoard too, in a folder 'tensorboard' beside log.jsonl."""
    trackio: Flag = False
    """Write to Trackio too; its dashboard shows the runs of each dataset."""

    def sinks(self) -> tuple[str, ...]:
        """Return the names of what is written besides log.jsonl.

        Raises:
            InputError: when a library is missing.
        """
        from datastill.store import require_sinks

        names = tuple(name for name in ("tensorboard", "trackio") if getattr(self, name))
        require_sinks(names)
        return names

    @contextmanager
    def journal(
        self, file: Path, project: str, name: str, settings: Mapping[str, Any], console: Console
    ) -> Generator[Journal]:
        """Open the journal of a run, and say where else it can be looked at."""
        from datastill.store import Run, open_journal

        with open_journal(file, Run(project, name, settings), self.sinks()) as opened:
            yield opened
        if self.tensorboard:
            console.say(f"its course: tensorboard --logdir {file.parent}")
        if self.trackio:
            console.say(f"its course: trackio show --project {project}")
