"""Pieces of a run handed to an executor, taken back as they come, tried again where one is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path

from datastill.base.errors import InputError
from datastill.base.own_code import line
from datastill.base.wording import are, counted
from datastill.compute import measuring
from datastill.runs.conduct.futures import Executor, Future
from datastill.runs.conduct.given import Conduct
from datastill.runs.conduct.observer import Steps
from datastill.runs.executors.board import Board, opened
from datastill.runs.executors.processes import Unready
from datastill.runs.executors.tasks import Outcome, Task, is_done, work, work_here
from datastill.runs.specs import Unit

TRIES = 2
"""How often a piece is begun that fails, or whose worker is lost."""

AHEAD = 2
"""Pieces for each worker that are handed over at a time, where it is known how many these are."""

POLL = 0.05
"""Seconds between two looks at what is done: executors of every shape can be asked that."""

WHEN = "where every piece can be taken up, which is kept"
"""When a request to stop is heeded."""

TOLD = 3
"""Pieces that failed which are named with their reasons."""


@dataclass(frozen=True)
class Piece:
    """A unit, and where it is carried out.

    Attributes:
        title: what it is called, by which no two are.
        unit: itself.
        folder: of its run.
    """

    title: str
    unit: Unit
    folder: Path

    @property
    def is_done(self) -> bool:
        """Whether it lies there."""
        return is_done(self.unit, self.folder)


Follows = Callable[[Unit], Sequence[Unit]]
"""Is told of a piece that lies there, and returns those that can begin now."""
Urgency = Callable[[Unit], float]
"""Returns how early a piece should begin, beside others that could: the larger, the earlier."""


def nothing(_: Unit) -> Sequence[Unit]:
    """Return no further pieces."""
    return ()


def alike(_: Unit) -> float:
    """Return the same for all: then they begin in their order."""
    return 0.0


def spread(
    units: Sequence[Unit],
    folder: Path | str,
    conduct: Conduct,
    follows: Follows = nothing,
    urgency: Urgency = alike,
    later: int = 0,
) -> None:
    """Have an executor carry out pieces of a run; they lie in its folder afterwards.

    Those that lie there already are not done again. Without an executor nothing is done: then the
    whole does all of it by itself.

    Args:
        units: the pieces, those that take longest first.
        folder: of the run.
        conduct: how it is carried out.
        follows: see there.
        urgency: likewise.
        later: how many pieces will follow, for whoever watches how far it is.

    Raises:
        InputError: when a piece failed twice, or cannot be done as asked; the others are kept.
        Stopped: when that was asked for; what is done is kept, and what is under way where it can.
    """
    pieces = [Piece(unit.address, unit, Path(folder)) for unit in units]
    if conduct.executor is not None and (follows is not nothing or not all_done(pieces)):
        failed, done = carried_out(pieces, conduct, conduct.executor, follows, urgency, later)
        require_none(failed, done, pieces[0].unit.spec.kind if pieces else "")


def all_done(pieces: Iterable[Piece]) -> bool:
    """Tell whether nothing remains to be done."""
    return all(piece.is_done for piece in pieces)


def carried_out(
    pieces: Sequence[Piece],
    conduct: Conduct,
    executor: Executor,
    follows: Follows = nothing,
    urgency: Urgency = alike,
    later: int = 0,
) -> tuple[dict[str, str], int]:
    """Have an executor carry out pieces, of one run or of several; see ``spread``.

    Returns:
        By their titles, why some were not; and how many were.
    """
    with (
        opened() as board,
        conduct.observer.progress("pieces", len(pieces) + later) as steps,
        # Where pieces are carried out here, each says itself when it heeds a request.
        nullcontext() if _is_here(executor) else conduct.stop.heeded(WHEN),
    ):
        spreading = _Spreading(conduct, executor, board, steps, follows, urgency)
        try:
            spreading.go(pieces)
        finally:
            spreading.cancel()
    return spreading.failed, spreading.done


RESUMED = ("train", "validate", "compare")
"""Kinds of runs that go on where that is asked for; others do of themselves."""


def require_none(failed: Mapping[str, str], done: int, kind: str = "") -> None:
    """Refuse to go on without some pieces.

    Args:
        failed: why, by their titles.
        done: how many are kept.
        kind: of the run.

    Raises:
        InputError: naming them.
    """
    if not failed:
        return
    some = [f"{title} ({reason})" for title, reason in failed.items()]
    more = f" and {len(some) - TOLD} more" if some[TOLD:] else ""
    again = "`resume=True`" if kind in RESUMED else "the same, asked for again,"
    raise InputError(
        f"{counted(len(some), 'piece')} could not be carried out: "
        f"{'; '.join(some[:TOLD])}{more}; {done} {are(done)} kept, and {again} goes on"
    )


@dataclass
class _Spreading:
    conduct: Conduct
    executor: Executor
    board: Board
    steps: Steps
    follows: Follows
    urgency: Urgency
    waiting: list[tuple[float, int, Piece]] = field(default_factory=list[tuple[float, int, Piece]])
    done: int = 0
    known: int = 0
    under_way: dict[str, tuple[Piece, Future]] = field(
        default_factory=dict[str, tuple[Piece, Future]]
    )
    tries: Counter[str] = field(default_factory=Counter[str])
    failed: dict[str, str] = field(default_factory=dict[str, str])

    def go(self, pieces: Sequence[Piece]) -> None:
        """Hand over pieces, and wait for their ends."""
        self.begin(pieces)
        told = 0.0
        while self.under_way or self.waiting:
            self.fill()
            for title, (piece, future) in list(self.under_way.items()):
                if future.done():
                    del self.under_way[title]
                    self.taken(piece, _outcome(future))
            if self.conduct.stop.requested:
                self.stop()
            if time.perf_counter() - told > 1:
                told = time.perf_counter()
                self.tell()
            time.sleep(POLL)

    def begin(self, pieces: Sequence[Piece]) -> None:
        """Have those pieces wait their turn that do not lie there, and all that follow these."""
        for piece in pieces:
            self.known += 1
            if piece.is_done:
                self.finished(piece, "before")
            else:
                heappush(self.waiting, (-self.urgency(piece.unit), self.known, piece))

    def fill(self) -> None:
        """Hand over the most urgent pieces: few in advance, for what follows may be more so."""
        jobs = getattr(self.executor, "jobs", None)
        most = 1 if _is_here(self.executor) else None if jobs is None else AHEAD * jobs
        while self.waiting and (most is None or len(self.under_way) < most):
            if self.conduct.stop.requested:  # an executor may return when a piece has ended
                return
            self.hand_over(heappop(self.waiting)[2])

    def finished(self, piece: Piece, where: str) -> None:
        """Take note of a piece that is done, and begin what follows."""
        self.done += 1
        next_ones = self.follows(piece.unit)
        self.begin([Piece(unit.address, unit, piece.folder) for unit in next_ones])
        self.steps.at(self.done, f"{self.done} of {self.known} are done: {piece.title} {where}")

    def hand_over(self, piece: Piece) -> None:
        """Hand a piece to the executor."""
        minutes, folder = self.conduct.keeping.checkpoint_minutes, piece.folder.absolute()
        given = (piece.title, piece.unit, folder, self.board, Path.cwd(), minutes)
        self.tries[piece.title] += 1
        stop = self.conduct.stop if _is_here(self.executor) else None
        future = self.executor.submit(work, Task(*given, fastest=measuring.chosen(), stop=stop))
        self.under_way[piece.title] = piece, future

    def taken(self, piece: Piece, outcome: Outcome) -> None:
        """Take note of what became of a piece, and hand it over again where that may help."""
        if outcome.stopped:
            return
        if not outcome.reason:
            self.finished(piece, f"by {outcome.where}")
        elif outcome.hopeless or self.tries[piece.title] >= TRIES:
            self.failed[piece.title] = outcome.reason
        else:
            self.conduct.observer.message(f"{piece.title}: {outcome.reason}; once more")
            self.hand_over(piece)

    def tell(self) -> None:
        """Show what runs where."""
        lines = [self.board.line(title) for title in self.under_way]
        if any(lines):
            self.steps.at(self.done, "\n".join(filter(None, lines)))

    def stop(self) -> None:
        """Stop: what has not begun does not; workers keep what they have."""
        self.cancel()
        self.board.stop()
        while not all(future.done() for _, future in self.under_way.values()):
            time.sleep(POLL)
        self.conduct.stop.raise_if_requested()

    def cancel(self) -> None:
        """Let no further piece begin."""
        self.waiting.clear()
        for _, future in self.under_way.values():
            future.cancel()


def _outcome(future: Future) -> Outcome:
    try:
        return future.result()
    except Unready as unready:
        raise InputError(f"workers cannot begin: {unready}") from None
    except Exception as error:
        return Outcome("", line(error))


def _is_here(executor: Executor) -> bool:
    # Whether pieces are carried out in this thread, one after another.
    return isinstance(executor, work_here)
