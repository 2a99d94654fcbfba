"""Ctrl-C and SIGTERM where no run is at work that can be taken up again."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from datastill.base.signals import handled, importing, leave
from datastill.runs.stop import Signalled


@contextmanager
def stoppable() -> Generator[None]:
    """Raise ``Signalled`` where a signal arrives.

    While a module is imported the process ends at once instead: libraries swallow exceptions there,
    or go on half-loaded. No file is being written then, and the system lets go of locks.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        if importing(frame):
            leave(number)
        raise Signalled(number)

    with handled(stop):
        yield
