"""What a person sees while a command runs."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from datastill.base import waits
from datastill.base.wording import visible
from datastill.cli.arguments import in_options
from datastill.report.columns import listing, table
from datastill.report.folding import folded, width_of
from datastill.runs.conduct.observer import Counted, ignored

if TYPE_CHECKING:
    from datastill.report.tables import Listing, Table

T = TypeVar("T")

WIDE = 120
"""Columns of a table where nothing says how many there are."""
BAR = 20
"""Columns of the bar itself, at the most."""
BESIDE = BAR + 26
"""Columns that a bar takes besides its label and its note."""


@dataclass
class Bar(Counted):
    """Progress towards a known number of steps, drawn on a terminal."""

    progress: Progress = field(kw_only=True)

    def show(self, step: float, note: str) -> None:
        """Draw it."""
        room = self.progress.console.width - cell_len(self.label) - BESIDE
        shown = "\n".join(_fitting(line, room) for line in visible(note).split("\n"))
        self.progress.update(self.progress.task_ids[0], completed=step, done=int(step), note=shown)


def _aside(line: str) -> None:
    waits.said()
    print(visible(line), file=sys.stderr, flush=True)


def _fitting(note: str, room: int) -> str:
    fitting = [part for part in (note, note.partition("; ")[0]) if cell_len(part) <= room]
    return fitting[0] if fitting else set_cell_size(note, max(0, room))


@dataclass(frozen=True)
class Console:
    """Says things, unless it was told to be quiet; plainly, if it was told to draw no bars.

    Attributes:
        quiet: nothing is said or drawn.
        plain: progress is told line by line.
        terse: progress is all that is told: somebody else says what is done.
        aside: lines go to stderr, and tables nowhere: what was found is printed otherwise.
    """

    quiet: bool = False
    plain: bool = False
    terse: bool = False
    aside: bool = False

    def message(self, text: str = "") -> None:
        """Print a line, its arguments in the words of the command line."""
        if not (self.quiet or self.terse):
            waits.said()
            out = sys.stderr if self.aside else sys.stdout
            print(folded(in_options(text, None), width_of(out)), file=out, flush=True)

    def snapshot(self, _: object, /) -> None:
        """Look away from the set that is distilled."""

    def show(self, found: Iterable[Table | Listing | str]) -> None:
        """Print lines, tables with numbers to the right of their columns, and tables of text."""
        for one in found:
            width = width_of(sys.stdout) or WIDE
            if isinstance(one, str):
                self.message(one)
            elif len(one) == 2:
                self._print(listing(*one, width))
            else:
                if not self.aside:
                    self.message(one[0])
                self._print(table(one[1], one[2], width))

    def _print(self, lines: Iterable[str]) -> None:
        if not (self.quiet or self.terse or self.aside):
            waits.said()
            print("\n".join([*lines, ""]), flush=True)

    def follow(self, items: Iterable[T], label: str, total: int, /) -> Iterator[T]:
        """Hand on items, and show how many have been taken."""
        with self.progress(label, total) as bar:
            for number, item in enumerate(items, 1):
                yield item
                bar.at(number)

    @contextmanager
    def progress(self, label: str, total: int, begun: int = 0) -> Generator[Counted]:
        """Show progress: a bar on a terminal, a line now and then elsewhere.

        Args:
            label: what is done.
            total: how many steps.
            begun: how many were done before; what is left is told by the others.
        """
        waits.begin(label)  # until the first step, which a bar shows at once
        if self.quiet or self.plain or not sys.stderr.isatty():
            yield Counted(ignored if self.quiet else _aside, label, total, begun)
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=BAR),
            TextColumn("{task.fields[done]}/{task.total:.0f} {task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        waits.said()
        waits.begin("")
        with Progress(*columns, console=RichConsole(stderr=True), transient=True) as progress:
            progress.add_task(visible(label), total=total, completed=begun, done=begun, note="")
            yield Bar(ignored, label, total, begun, progress=progress)
