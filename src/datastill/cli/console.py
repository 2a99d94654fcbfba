"""What a person sees while a command runs."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from datastill.cli.columns import listing, table
from datastill.cli.folding import folded, width_of
from datastill.wording import duration

T = TypeVar("T")

WIDE = 120
"""Columns of a table where nothing says how many there are."""
PLAIN_SECONDS = 20.0
"""Where there is no terminal, progress is a line every so often."""


@dataclass
class Bar:
    """Progress towards a known number of steps."""

    label: str
    total: int
    quiet: bool
    progress: Progress | None = None
    begun: int = 0
    note: str = ""
    started: float = field(default_factory=time.perf_counter)
    said: float = field(default_factory=time.perf_counter)

    def at(self, step: int, note: str | None = None) -> None:
        """Show that ``step`` of ``total`` are done; without a note the last one stays."""
        self.note = self.note if note is None else note
        if self.progress is not None:
            self.progress.update(self.progress.task_ids[0], completed=step, note=self.note)
            return
        now = time.perf_counter()
        if not self.quiet and now - self.said > PLAIN_SECONDS:
            self.said = now
            left = (now - self.started) * (self.total - step) / max(step - self.begun, 1)
            told = (f"{self.label}: {step} of {self.total}", self.note, f"{duration(left)} left")
            print(", ".join(filter(None, told)), file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Console:
    """Says things, unless it was told to be quiet; plainly, if it was told to draw no bars."""

    quiet: bool = False
    plain: bool = False

    def say(self, text: str = "") -> None:
        """Print a line."""
        if not self.quiet:
            print(folded(text, width_of(sys.stdout)), flush=True)

    def listen(self) -> None:
        """Say from now on what the library logs, every line once."""
        log = logging.getLogger("datastill")
        for handler in [each for each in log.handlers if isinstance(each, _Listener)]:
            log.removeHandler(handler)
        log.addHandler(_Listener(self))
        log.setLevel(logging.INFO)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table, numbers to the right of their columns."""
        self.say(title)
        self._print(table(columns, rows, width_of(sys.stdout) or WIDE))

    def listing(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table of text, long lines folded."""
        self._print(listing(columns, rows, width_of(sys.stdout) or WIDE))

    def _print(self, lines: Iterable[str]) -> None:
        if not self.quiet:
            print("\n".join([*lines, ""]), flush=True)

    def follow(self, items: Iterable[T], label: str, total: int, /) -> Iterator[T]:
        """Hand on items, and show how many have been taken."""
        with self.bar(label, total) as bar:
            for number, item in enumerate(items, 1):
                yield item
                bar.at(number)

    @contextmanager
    def bar(self, label: str, total: int, begun: int = 0) -> Generator[Bar]:
        """Show progress: a bar on a terminal, a line now and then elsewhere.

        Args:
            label: what is done.
            total: how many steps.
            begun: how many were done before; what is left is told by the others.
        """
        if self.quiet or self.plain or not sys.stderr.isatty():
            yield Bar(label, total, self.quiet, begun=begun)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=RichConsole(stderr=True), transient=True) as progress:
            progress.add_task(label, total=total, completed=begun, note="")
            yield Bar(label, total, self.quiet, progress, begun)


class _Listener(logging.Handler):
    # Hands on what the library logs; only the command line speaks to people.
    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console
        self.said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if line not in self.said:
            self.said.add(line)
            self.console.say(line)
