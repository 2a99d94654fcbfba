"""Options that say where the course of a run is told and written."""

from __future__ import annotations

from dataclasses import dataclass

from datastill.cli.options import Flag


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
