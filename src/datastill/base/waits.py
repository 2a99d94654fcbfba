"""What a program is about to do that takes a while: said before, for whoever waits."""

from __future__ import annotations

import logging
from collections.abc import Callable

_log = logging.getLogger("datastill.waits")


def awaited(what: str) -> None:
    """Say what begins now and may take seconds, such as ``"reading the images of digits"``.

    It is logged as ``DEBUG``, which nobody sees who did not ask for it. The command line shows it
    where nothing else is said for a moment.
    """
    _log.debug("%s", what)


def listen(tell: Callable[[str], None]) -> None:
    """Tell from now on what is awaited, to this listener alone."""
    _log.handlers[:] = [_Listener(tell)]
    _log.setLevel(logging.DEBUG)
    _log.propagate = False


class _Listener(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self.tell(record.getMessage())
