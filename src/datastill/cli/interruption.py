"""Ctrl-C and SIGTERM: a run stops where it can be resumed."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from datastill.base.signals import handled, importing, leave, words
from datastill.runs.stop import Stopped, StopRequest


class Signalled(Stopped):
    """The person, or the system, wants the command to end; its exit code says by which signal."""

    def __init__(self, number: int) -> None:
        super().__init__(words(number))
        self.code = 128 + number


@dataclass
class Signals(StopRequest):
    """A request to stop that signals make.

    Attributes:
        number: of the signal.
    """

    number: int | None = None

    def raise_if_requested(self) -> None:
        """See ``StopRequest``."""
        if self.number is not None:
            raise Signalled(self.number)
        super().raise_if_requested()

    @contextmanager
    def heeded(self, when: str) -> Generator[None]:
        """Note a first signal, for who looks at this request; a second one stops at once."""

        def note(number: int, _: Any) -> None:
            if self.requested:
                raise Signalled(number)
            self.requested, self.number = True, number
            print(f"stopping {when}; once more stops at once", file=sys.stderr, flush=True)

        with handled(note):
            yield


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
