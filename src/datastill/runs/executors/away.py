"""A piece of a run on a machine that sees no files of whoever sent it: they come with it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from datastill.base import machine
from datastill.base.own_code import line
from datastill.runs.executors.board import Board, here
from datastill.runs.executors.packing import IMAGES, RUN, VIEW, File, under, with_places
from datastill.runs.executors.pieces import FOLDER
from datastill.runs.executors.tasks import DONE, Outcome, Task, work
from datastill.store.laying import Sent, lay, take_back, written_in


@dataclass(frozen=True)
class Returned:
    """What a worker sends back.

    Attributes:
        outcome: what became of the piece.
        files: what it wrote, by paths in the folder of the run.
        gone: paths of what came with the piece, and was removed: what it went on from.
    """

    outcome: Outcome
    files: Sequence[tuple[Path, bytes]] = ()
    gone: Sequence[Path] = ()


def work_away(task: Task, files: Sequence[File], place: str, get: Callable[[Any], Any]) -> Returned:
    """Lay what a piece reads into a folder of this machine, and carry it out there.

    Args:
        task: the piece, as it is where it was sent.
        files: what it reads.
        place: name of the folder, for all pieces that one executor sends.
        get: returns an array of bytes by a reference to it.
    """
    there = _There(task, folder_of(place))
    laid, mine = [*there.laid(files, get)], there.task
    try:
        lay(laid, there.base, mine.current)
        outcome = work(mine)
        if outcome.reason or outcome.stopped:  # what it began it goes on with, once more sent here
            return Returned(replace(outcome, reason=there.told(outcome.reason)))
        return there.returned(outcome, laid)
    except OSError as error:
        return Returned(Outcome(here(), machine.shortage(error) or line(error)))


def filed(returned: Returned, folder: Path) -> Outcome:
    """Write what a worker sent back into the folder of its run, what tells that it is done last.

    Raises:
        InputError: when that cannot be written.
    """
    take_back(folder, returned.files, returned.gone)
    return returned.outcome


def folder_of(place: str) -> Path:
    """Return the folder of this machine for all pieces that one executor sends."""
    return Path(tempfile.gettempdir(), place)


def forget(place: str) -> None:
    """Remove it."""
    shutil.rmtree(folder_of(place), ignore_errors=True)


@dataclass(frozen=True)
class _There:
    # A piece, and the folder of a machine in which it is carried out.
    sent: Task
    base: Path

    @cached_property
    def run(self) -> Path:
        """The folder of the run: the same where a piece is sent once more."""
        told = f"{self.sent.folder}\n{self.sent.unit.spec.digest}\n{self.sent.unit.address}"
        return self.base / RUN / hashlib.sha256(told.encode()).hexdigest()[:16]

    @cached_property
    def task(self) -> Task:
        """The piece as it is carried out."""
        unit = replace(self.sent.unit, spec=with_places(self.sent.unit.spec, self._moved))
        return replace(
            self.sent,
            unit=unit,
            folder=self.run,
            board=Board(self.base / "board"),  # which is not there
            current=self.base / VIEW / under(self.sent.current),
            images=self.base / IMAGES,
        )

    def laid(self, files: Sequence[File], get: Callable[[Any], Any]) -> Iterator[Sent]:
        """Yield what comes with the piece."""
        for file in files:
            target = self.base / file.to
            if file.to.parts[0] == RUN:
                target = self.run / self._renamed(file.to.relative_to(RUN))
            content = partial(get, file.content)
            yield Sent(target, file.digest, content, own=FOLDER in file.to.parts)

    def returned(self, outcome: Outcome, laid: Sequence[Sent]) -> Returned:
        """Return what the piece wrote, and leave nothing of it here."""
        run = self.run
        written = written_in(run, [one.target for one in laid if not one.own])
        written.sort(key=lambda file: file.name == DONE)
        back = partial(self._renamed, back=True)
        files = [(back(file.relative_to(run)), file.read_bytes()) for file in written]
        gone = [one.target for one in laid if one.own and not one.target.exists()]
        shutil.rmtree(run, ignore_errors=True)
        return Returned(outcome, files, [back(path.relative_to(run)) for path in gone])

    def told(self, reason: str) -> str:
        """Return why it was not carried out, by the paths that whoever sent it knows."""
        known = reason.replace(str(self.run), str(self.sent.folder))
        return known.replace(str(self.base / VIEW), "")

    def _moved(self, _: str, path: str) -> str:
        return str(self.base / VIEW / under(Path(path))) if Path(path).is_absolute() else path

    def _renamed(self, path: Path, *, back: bool = False) -> Path:
        # Where a set is named by its whole path, that is a part of the description's digest.
        names = self.sent.unit.spec.digest, self.task.unit.spec.digest
        old, new = reversed(names) if back else names
        return Path(*(new if part == old else part for part in path.parts))
