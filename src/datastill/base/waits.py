"""What a program is about to do that takes a while: said before, for whoever waits."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from datastill.base.wording import visible

PATIENCE = "DATASTILL_PATIENCE"
"""The environment variable that says ``SECONDS``, for whoever reads stderr by a program."""


def _patience() -> float:
    # What makes no sense is what is usual: this is said of no result.
    try:
        return min(max(float(os.environ.get(PATIENCE, "")), 0.1), 1e9)
    except ValueError:
        return 1.0


SECONDS = _patience()
"""Without anything on the screen, after which it is said what is awaited."""
READY = "getting ready (loading PyTorch)"
"""What is awaited first."""
ERASED = "\r\x1b[K"
"""Clears the line of a terminal."""

_log = logging.getLogger("datastill.waits")
_watch: list[Watch] = []


@contextmanager
def awaited(what: str) -> Generator[None]:
    """Say what begins now and may take seconds, such as ``"reading the images of digits"``.

    It is logged as ``DEBUG``, which nobody sees who did not ask for it. The command line shows it
    where nothing else is said for a moment.
    """
    _log.debug("%s", what)
    try:
        yield
    finally:
        _log.debug("%s: done", what, extra={"ended": True})


@dataclass
class Watch:
    """Says what is awaited where nothing else was said for a moment.

    Attributes:
        write: takes text for the screen.
        passing: whether that is a terminal, on which a line goes when there is another.
        clock: tells seconds.
        what: is awaited; empty for nothing.
        since: when that began, or something was said.
    """

    write: Callable[[str], object]
    passing: bool = False
    clock: Callable[[], float] = time.perf_counter
    what: str = ""
    since: float = 0.0
    drawn: bool = False

    def begin(self, what: str) -> None:
        """Take note of what is awaited from now on."""
        self.what, self.since = what, self.clock()

    def look(self) -> None:
        """Say it, if it is time."""
        if self.what and self.clock() - self.since >= SECONDS:
            self.tell()

    def tell(self) -> None:
        """Say it now, and once."""
        what, self.what = visible(self.what), ""
        self.write(f"{ERASED}{what} ..." if self.passing else f"{what} ...\n")
        self.drawn = self.passing

    def said(self) -> None:
        """Take note that something else is about to be said."""
        if self.drawn:
            self.write(ERASED)
        self.drawn, self.since = False, self.clock()


def begin(what: str) -> None:
    """Take note of what the person waits for who looks at the screen, if anybody does."""
    for watch in _watch:
        watch.begin(what)


def said() -> None:
    """Take note that something is about to be said to that person."""
    for watch in _watch:
        watch.said()


@contextmanager
def shown(first: str = READY, *, quiet: bool = False) -> Generator[None]:
    """Show on stderr what is awaited, whenever nothing else was said for a moment.

    Args:
        first: what is awaited first. On a terminal it is said before anything is loaded, for
            libraries keep all else waiting while they are.
        quiet: show nothing.
    """
    if quiet:
        yield
        return
    watch, ended, before = Watch(_write, sys.stderr.isatty()), threading.Event(), _log.level
    watch.begin(first)
    if watch.passing and "torch" not in sys.modules:
        watch.tell()
    listener = _Listener(watch.begin)
    _log.addHandler(listener)
    _log.setLevel(logging.DEBUG)
    _watch.append(watch)

    def look() -> None:
        while not ended.wait(SECONDS / 4):
            watch.look()

    threading.Thread(target=look, daemon=True, name="datastill-waits").start()
    try:
        yield
    finally:
        ended.set()
        watch.said()
        _watch.remove(watch)
        _log.removeHandler(listener)
        _log.setLevel(before)


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


class _Listener(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self.tell("" if hasattr(record, "ended") else record.getMessage())
