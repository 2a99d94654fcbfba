"""Ctrl-C and SIGTERM while there is nothing to put in order: the process ends at once."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def leave_at_signals() -> None:
    """End the process where a signal arrives, but for signals that it was told to ignore."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup does
            signal.signal(number, lambda number, _: leave(number))


def leave(number: int) -> NoReturn:
    """End the process with a line that names the signal, and the exit code that stands for it."""
    # By the file descriptor, for whatever Python would do first could be in the way.
    os.write(2, f"{words(number)}\n".encode())
    os._exit(128 + number)


def words(number: int) -> str:
    """Say by which signal something was stopped."""
    return f"stopped by {signal.Signals(number).name}"
