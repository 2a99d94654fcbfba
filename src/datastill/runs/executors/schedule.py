"""What becomes of a run on many workers, found out by a clock that is not one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush


@dataclass(frozen=True)
class Timed:
    """A piece, and what it takes.

    Attributes:
        seconds: that it takes a worker.
        urgency: see ``spreading.Urgency``.
        after: pieces that must be done before it can begin.
    """

    seconds: float
    urgency: float = 0.0
    after: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Schedule:
    """How long some workers take for all pieces.

    Attributes:
        seconds: from the first beginning to the last end.
        work: of all pieces together.
        workers: how many.
    """

    seconds: float
    work: float
    workers: int

    @property
    def efficiency(self) -> float:
        """Share of the time of all workers in which they work."""
        return self.work / (self.seconds * self.workers)


def scheduled(pieces: Mapping[str, Timed], workers: int) -> Schedule:
    """Have workers take pieces as ``spread`` hands them over: the most urgent that can begin.

    Args:
        pieces: by their names.
        workers: how many.

    >>> two = scheduled({"long": Timed(4, 1), "a": Timed(2), "b": Timed(2)}, 2)
    >>> two.seconds, two.efficiency
    (4.0, 1.0)
    """
    done, running = set[str](), list[tuple[float, int, str]]()
    left, now, number = dict(pieces), 0.0, 0
    while left or running:
        free = workers - len(running)
        able = [name for name, one in left.items() if one.after <= done]
        able.sort(key=lambda name: -left[name].urgency)
        for name in able[:free]:
            number += 1
            heappush(running, (now + left.pop(name).seconds, number, name))
        now, _, name = heappop(running)
        done.add(name)
    return Schedule(now, sum(one.seconds for one in pieces.values()), workers)
