"""A page of a run while it goes on: written again every few minutes, by whoever watches it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from datastill.base.errors import function, path_of, positive, reason
from datastill.runs.conduct.given import require_observer
from datastill.runs.conduct.observer import SILENT, Observer, Steps

if TYPE_CHECKING:
    from datastill.distillation.loop import Snapshot

T = TypeVar("T")


@dataclass(eq=False)
class Reporter:
    """Watches a run, writes a page of it every few minutes, and hands on all that it is told.

    What needs the real images is not looked at meanwhile: ``report`` does that once it is finished.

    Attributes:
        folder: of the run; the page is ``report.html`` in there.
        minutes: between two pages.
        observer: who else watches.
        clock: says the time in seconds.
        awaited: whether somebody will say that the run has ended, see ``end``; without that it has
            whenever no piece of work goes on.
    """

    folder: Path | str
    minutes: float = 1.0
    observer: Observer = SILENT
    clock: Callable[[], float] = time.monotonic
    awaited: bool = False
    written: float = field(default=float("-inf"), init=False)
    told: str = field(default="", init=False)
    going: int = field(default=0, init=False)
    failed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        path_of("the path of the folder of a run", folder=self.folder)
        positive(minutes=self.minutes)
        require_observer(self.observer)
        function("a function, such as time.monotonic", clock=self.clock)

    def message(self, text: str = "") -> None:
        """Hand on a line; the last one of a run is said when all of it is written."""
        self.observer.message(text)
        if self.told and not self.going:
            self.write()

    @contextmanager
    def progress(self, label: str, total: int, begun: int = 0) -> Generator[Steps]:
        """See ``Observer``."""
        with self.observer.progress(label, total, begun) as steps:
            self.going += 1
            try:
                yield _Watched(self, steps, label, total)
            except BaseException:
                self.awaited = False  # a browser need not wait for more
                raise
            finally:
                self.going -= 1
                self.write()

    def follow(self, items: Iterable[T], label: str, total: int, /) -> Iterator[T]:
        """See ``Observer``."""
        return self.observer.follow(items, label, total)

    def snapshot(self, snapshot: Snapshot, /) -> None:
        """Look at a set after an update."""
        self.observer.snapshot(snapshot)
        if self.due:
            self.write(snapshot)

    @property
    def due(self) -> bool:
        """Whether it is time for another page."""
        return self.clock() - self.written >= 60 * self.minutes

    def at(self, told: str) -> None:
        """Take note of how far the run is."""
        self.told = told
        if self.due:
            self.write()

    def end(self) -> None:
        """Take note that the run has ended, and write its page for good."""
        self.awaited = False
        self.write()

    def write(self, now: Snapshot | None = None) -> None:
        """Write the page, as the files of the run have it, or with the set as it is ``now``.

        That it cannot be written, whatever the reason, is said once, and none to end a run.
        """
        from datastill.runs.showing.reporting import write_live

        self.written = self.clock()
        seconds = 60 * self.minutes if self.going or self.awaited else 0
        made = now and now.synthetic
        try:
            write_live(Path(self.folder), seconds, self.told, made)
        except Exception as error:  # a page is worth less than the hours that it is of
            if not self.failed:
                self.observer.message(f"no page was written: {reason(error)}")
            self.failed = True


@dataclass(frozen=True, eq=False)
class _Watched:
    reporter: Reporter
    steps: Steps
    label: str
    total: int

    def at(self, step: float, note: str | None = None) -> None:
        self.steps.at(step, note)
        self._told(step)

    def within(self, step: int, epoch: int, epochs: int) -> None:
        self.steps.within(step, epoch, epochs)
        self._told(step + epoch / epochs)

    def _told(self, step: float) -> None:
        self.reporter.at(f"{self.label}: {step:.4g} of {self.total}")
