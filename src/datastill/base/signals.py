"""Ctrl-C and SIGTERM: heard, and the end of the process where nothing is to be put in order."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def leave_at_signals() -> None:
    """End the process where a signal arrives, but for signals that it was told to ignore."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup does
            signal.signal(number, lambda number, _: leave(number))


def leave(number: int) -> NoReturn:
    """End the process with a line that names the signal, and the exit code that stands for it."""
    # By the file descriptor, for whatever Python would do first could be in the way.
    with suppress(OSError):  # closed, or its disk is full
        os.write(2, f"{words(number)}\n".encode())
    os._exit(128 + number)


def words(number: int) -> str:
    """Say by which signal something was stopped."""
    return f"stopped by {signal.Signals(number).name}"


def importing(frame: FrameType | None) -> bool:
    """Tell whether a module is imported where a signal arrived."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


@contextmanager
def handled(handler: Callable[[int, Any], None]) -> Generator[None]:
    """Call a function where a signal arrives, but for signals that are to be ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are none of its business
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    heeded = [number for number, held in before.items() if held is not signal.SIG_IGN]  # nohup
    for number in heeded:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, before[number] or signal.SIG_DFL)
