"""What workers write for whoever sent them: how far they are; and where they look for a stop.

It is a folder for as long as pieces are spread. Workers that cannot see it, on a machine that
shares no files, say nothing in between, and finish what they began.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from datastill.base.errors import InputError
from datastill.runs.conduct.stop import StopRequest
from datastill.store import read_json, write_json

T = TypeVar("T")

STOP = "stop.json"
SECONDS = 1.0
"""Between two lines of one worker, at the least."""


@dataclass(frozen=True)
class Board:
    """Where workers say how far they are.

    Attributes:
        folder: of it.
    """

    folder: Path

    @property
    def is_seen(self) -> bool:
        """Whether it can be seen from here."""
        return self.folder.is_dir()

    def file(self, address: str) -> Path:
        """Return where the worker on a piece writes."""
        return self.folder / f"{address.replace('/', '+').replace(':', '.')}.on.json"

    def stop(self) -> None:
        """Ask all workers to stop where they can be taken up again."""
        write_json(self.folder / STOP, {})

    def line(self, address: str) -> str | None:
        """Return what is done of a piece, and where; None where nothing was said."""
        file = self.file(address)
        if not file.exists():
            return None
        with suppress(InputError, KeyError, TypeError):
            said = read_json(file)
            return f"{address} by {said['where']}, {said['how_far']}"
        return None


@contextmanager
def opened() -> Generator[Board]:
    """Hand out a board, and take it away at the end."""
    with TemporaryDirectory(prefix="datastill-board-", ignore_cleanup_errors=True) as place:
        yield Board(Path(place))


class Asked(StopRequest):
    """A request to stop that is made on a board, or in this process by whoever waits for the piece.

    Args:
        board: where workers look.
        own: of whoever waits, where the piece is carried out in the same thread; else None.
    """

    def __init__(self, board: Board, own: StopRequest | None = None) -> None:
        super().__init__()
        self.board, self.own = board, own or StopRequest()

    @property
    def requested(self) -> bool:
        """Whether it was made."""
        on_board = (self.board.folder / STOP).exists()
        return on_board or self.own.requested or super().requested

    def raise_if_requested(self) -> None:
        """See ``StopRequest``."""
        self.own.raise_if_requested()
        super().raise_if_requested()

    @contextmanager
    def heeded(self, when: str) -> Generator[None]:
        """See ``StopRequest``."""
        with self.own.heeded(when):
            yield


def here() -> str:
    """Name this process."""
    return f"{platform.node() or 'localhost'}:{os.getpid()}"


@dataclass(frozen=True)
class Telling:
    """An observer that writes on a board how far a piece is, and nothing else.

    Attributes:
        board: where.
        address: of the piece.
    """

    board: Board
    address: str

    def message(self, text: str = "") -> None:
        """Say nothing: whoever carries out the whole says it."""

    def snapshot(self, snapshot: Any, /) -> None:
        """Look away."""

    @contextmanager
    def progress(self, label: str, total: int, begun: int = 0) -> Generator[Written]:
        """See ``Observer``."""
        steps = Written(self.board, self.address, label, total)
        steps.at(begun, "")
        yield steps

    def follow(self, items: Iterable[T], label: str, total: int, /) -> Iterator[T]:
        """See ``Observer``."""
        with self.progress(label, total) as steps:
            for number, item in enumerate(items, 1):
                yield item
                steps.at(number)


@dataclass
class Written:
    """Progress that is written on a board."""

    board: Board
    address: str
    label: str
    total: int
    written: float = field(default=-SECONDS)

    def at(self, step: float, note: str | None = None) -> None:
        """See ``Steps``."""
        del note
        self._write(f"{self.label} {int(step)} of {self.total}")

    def within(self, step: int, epoch: int, epochs: int) -> None:
        """See ``Steps``."""
        self._write(f"{self.label} {step} of {self.total}, epoch {epoch} of {epochs}")

    def _write(self, how_far: str) -> None:
        now = time.perf_counter()
        if now - self.written < SECONDS or not self.board.is_seen:
            return
        self.written = now
        with suppress(InputError):  # a full disk, or the board is gone: nobody needs to read it
            write_json(self.board.file(self.address), {"where": here(), "how_far": how_far})
