"""A piece of a run as a worker is sent it, what the worker does, and what it sends back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datastill.base import machine
from datastill.base.errors import InputError
from datastill.base.own_code import line
from datastill.compute import measuring
from datastill.datasets.base.sharing import shared_in
from datastill.runs.conduct.above import ROW, taken
from datastill.runs.conduct.carrying import carry_out
from datastill.runs.conduct.keeping import Keeping
from datastill.runs.conduct.stop import Stopped, StopRequest
from datastill.runs.executors.board import Asked, Board, Telling, here
from datastill.runs.executors.pieces import place_of
from datastill.runs.folders.gathering import has_result
from datastill.runs.specs import Unit
from datastill.store import put_file

IMAGES = "images"
"""Folder on a board where real images lie that the workers of a machine share."""
DONE = "done.json"
"""File in the place of a piece that was carried out: with what was found, of a whole run."""


@dataclass(frozen=True)
class Task:
    """A piece of a run, and all that a worker has to know to carry it out.

    Attributes:
        title: what it is called.
        unit: the piece.
        folder: of the run.
        board: where workers say how far they are.
        current: folder from which relative paths are meant.
        checkpoint_minutes: between two checkpoints.
        fastest: which routes were chosen for networks, so that all compute alike.
        images: folder with real images that workers of a machine share; None: on the board.
        stop: asks to stop where whoever waits for the piece carries it out; else the board does.
    """

    title: str
    unit: Unit
    folder: Path
    board: Board
    current: Path
    checkpoint_minutes: float
    fastest: Mapping[str, measuring.Answer] = field(default_factory=dict[str, measuring.Answer])
    images: Path | None = None
    stop: StopRequest | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a piece.

    Attributes:
        where: it was carried out.
        reason: why it was not, in one line; empty if it was.
        stopped: whether that was asked for.
        hopeless: whether it would fail again: what was asked for cannot be done.
    """

    where: str
    reason: str = ""
    stopped: bool = False
    hopeless: bool = False


@dataclass(frozen=True)
class Ended:
    """Work that has ended. See ``Future``."""

    outcome: Any

    def done(self) -> bool:
        """See ``Future``."""
        return True

    def result(self) -> Any:
        """See ``Future``."""
        return self.outcome

    def cancel(self) -> None:
        """See ``Future``."""


class work_here:
    """An executor that does everything at once, in this process: requests to stop are its own."""

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Ended:
        """See ``Executor``."""
        return Ended(function(*args))


def row_of(found: Any) -> dict[str, float | str]:
    """Return the numbers of what a run found, by their names; what rooms above this one know."""
    return taken(*ROW)(found)


def is_done(unit: Unit, folder: Path) -> bool:
    """Tell whether a piece was carried out, and lies in the folder of the run.

    A whole run is only where its result is too, which somebody may have deleted.
    """
    done = (place_of(unit.spec, folder, unit.address) / DONE).exists()
    return done and (bool(unit.address) or has_result(unit.spec, folder))


def work(task: Task) -> Outcome:
    """Carry out a piece; called by a worker, wherever that is."""
    stop = Asked(task.board, task.stop)
    if stop.requested:
        return Outcome(here(), stopped=True)
    if not task.current.is_dir():
        unseen = f"{here()} does not see {task.current}: workers need the files of the run"
        return Outcome(here(), unseen, hopeless=True)
    try:
        # Paths of a description are meant from there; a process that is there already stays.
        there = task.current == Path.cwd()
        with contextlib.nullcontext() if there else contextlib.chdir(task.current):
            _carried_out(task, stop)
    except Stopped:
        if task.stop is not None:  # a signal may have ended what cannot be asked
            raise
        return Outcome(here(), stopped=True)
    except InputError as error:
        return Outcome(here(), " ".join(str(error).split()))
    except Exception as error:
        return Outcome(here(), machine.shortage(error) or line(error))
    return Outcome(here())


def _carried_out(task: Task, stop: Asked) -> None:
    unit = task.unit
    measuring.hold(task.fastest)
    keeping = Keeping(resume=True, checkpoint_minutes=task.checkpoint_minutes)
    observer = Telling(task.board, task.title)
    on_board = task.board.folder / IMAGES if task.board.is_seen else None
    with shared_in(task.images or on_board):
        found = carry_out(unit, task.folder, keeping=keeping, observer=observer, stop=stop)
    row = row_of(found) if not unit.address else {}
    put_file(place_of(unit.spec, task.folder, unit.address) / DONE, json.dumps(row).encode())
