"""Who watches a run: is told what is done and how far it is, and may look at what is made."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from datastill.base.errors import function
from datastill.base.wording import duration

if TYPE_CHECKING:
    from datastill.distillation.loop import Snapshot

T = TypeVar("T")


class Steps(Protocol):
    """Progress towards a known number of steps."""

    def at(self, step: float, note: str | None = None) -> None:
        """Take note that so many steps are done; without a note the last one stays."""
        ...

    def within(self, step: int, epoch: int, epochs: int) -> None:
        """Take note of how far the network is that is trained after ``step`` others."""
        ...


class Observer(Protocol):
    """Watches a run."""

    def message(self, text: str = "") -> None:
        """Take note of a line that a person may want to know."""
        ...

    def progress(self, label: str, total: int, begun: int = 0) -> AbstractContextManager[Steps]:
        """Watch one piece of work.

        Args:
            label: what is done.
            total: how many steps.
            begun: how many were done before.
        """
        ...

    def follow(self, items: Iterable[T], label: str, total: int, /) -> Iterator[T]:
        """Hand on items, and watch how many have been taken."""
        ...

    def snapshot(self, snapshot: Snapshot, /) -> None:
        """Look at a synthetic set after an update; it is there until the next one."""
        ...


Moved = Callable[[str, float, int, str], None]
"""Is told what is done, how many steps of how many are, and a note."""


def ignored(*_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Talking:
    """An observer made of functions, of which each may be left out.

    Attributes:
        tell: is told lines; ``print``, say.
        moved: is told how far a piece of work is.
        look: is shown the synthetic set after every update.

    >>> with Talking(moved=print).progress("training", 10) as steps:
    ...     steps.at(3, "loss 0.5")
    training 3 10 loss 0.5
    """

    tell: Callable[[str], None] = ignored
    moved: Moved = ignored
    look: Callable[[Snapshot], None] = ignored

    def __post_init__(self) -> None:
        function("a function, such as print", tell=self.tell, moved=self.moved, look=self.look)

    def message(self, text: str = "") -> None:
        """See ``Observer``."""
        self.tell(text)

    @contextmanager
    def progress(self, label: str, total: int, begun: int = 0) -> Generator[Steps]:
        """See ``Observer``."""
        if begun:
            self.moved(label, begun, total, "")
        yield _Told(self.moved, label, total)

    def follow(self, items: Iterable[T], label: str, total: int, /) -> Iterator[T]:
        """See ``Observer``."""
        for number, item in enumerate(items, 1):
            yield item
            self.moved(label, number, total, "")

    def snapshot(self, snapshot: Snapshot, /) -> None:
        """See ``Observer``."""
        self.look(snapshot)


@dataclass
class _Told:
    told: Moved
    label: str
    total: int
    note: str = ""

    def at(self, step: float, note: str | None = None) -> None:
        self.note = self.note if note is None else note
        self.told(self.label, step, self.total, self.note)

    def within(self, step: int, epoch: int, epochs: int) -> None:
        if epoch < epochs:
            self.told(self.label, step + epoch / epochs, self.total, f"epoch {epoch} of {epochs}")


LINE_SECONDS = 20.0
"""Between two lines about one piece of work."""


@dataclass
class Counted:
    """Tells how far a piece of work is by a line now and then, and how long it may still take.

    Attributes:
        tell: is told lines.
        label: what is done.
        total: how many steps.
        begun: how many were done before; what is left is told by the others.
    """

    tell: Callable[[str], None]
    label: str
    total: int
    begun: int = 0
    note: str = ""
    started: float = field(default_factory=time.perf_counter)
    said: float = field(default_factory=time.perf_counter)

    def at(self, step: float, note: str | None = None) -> None:
        """See ``Steps``; what is half done counts by half."""
        self.note = self.note if note is None else note
        self.show(step, self.note)

    def within(self, step: int, epoch: int, epochs: int) -> None:
        """See ``Steps``."""
        if epoch < epochs:
            last = f"; last {self.note}" if self.note else ""
            self.show(step + epoch / epochs, f"epoch {epoch} of {epochs}{last}")

    def show(self, step: float, note: str) -> None:
        """Tell it, where the last line was some time ago."""
        now = time.perf_counter()
        if now - self.said <= LINE_SECONDS:
            return
        self.said = now
        done, left = step - self.begun, ""
        if done > 0:
            left = f"{duration((now - self.started) * (self.total - step) / done)} left"
        told = (f"{self.label}: {int(step)} of {self.total}", note.replace("\n", "; "), left)
        self.tell(", ".join(filter(None, told)))


@dataclass(frozen=True)
class Lines(Talking):
    """An observer that tells progress by a line every so often: for a log, or a notebook.

    >>> runs = Lines(print)
    >>> with runs.progress("training", 10) as steps:
    ...     steps.at(3, "loss 0.5")  # too early for a line
    """

    @contextmanager
    def progress(self, label: str, total: int, begun: int = 0) -> Generator[Steps]:
        """See ``Observer``."""
        yield Counted(self.tell, label, total, begun)

    def follow(self, items: Iterable[T], label: str, total: int, /) -> Iterator[T]:
        """See ``Observer``."""
        with self.progress(label, total) as steps:
            for number, item in enumerate(items, 1):
                yield item
                steps.at(number)


SILENT: Observer = Talking()
"""Looks away."""


def tell_log(tell: Callable[[str], None]) -> None:
    """Tell from now on what the library logs, every line once, to this one alone.

    Args:
        tell: is told lines.
    """
    log = logging.getLogger("datastill")
    for handler in [each for each in log.handlers if isinstance(each, _Listener)]:
        log.removeHandler(handler)
    listener = _Listener(tell)
    listener.setLevel(logging.INFO)
    log.addHandler(listener)
    log.setLevel(logging.INFO)


class _Listener(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self.tell = tell
        self.said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if line not in self.said:
            self.said.add(line)
            self.tell(line)
