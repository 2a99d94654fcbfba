"""What an update costs, found out by carrying out a few, of whatever method."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from datastill.base.machine import give_back_memory
from datastill.compute.peak import Peak
from datastill.compute.timing import synchronise
from datastill.data import ImageSet
from datastill.distillation.clom import Regulariser
from datastill.distillation.descent import Descent, starting_counts
from datastill.distillation.loop import distill
from datastill.distillation.methods import Method, Task, period_of

BUDGET = 10.0
"""Seconds for trying out updates, unless those with a share of the images take longer."""

SHARES = (0.1, 0.3, 1.0)
"""Of the images of an update, with how many it is tried: with all if time allows."""

MOST = 4
"""Updates that are tried out with all images."""


@dataclass(frozen=True, eq=False)
class Probe:
    """What updates were found to cost.

    Attributes:
        first: seconds of the update that begins a period of the method, see ``period_of``.
        later: seconds of each other.
        period: of the method.
        memory: bytes that an update holds at its peak besides what is held before; None where the
            system does not tell.
        share: of the images of an update that those had which were tried; costs are for all.
        updates: that were tried with so many.
        made: what these made.
    """

    first: float
    later: float
    period: int
    memory: float | None
    share: float
    updates: int
    made: ImageSet

    @property
    def terms(self) -> dict[str, float]:
        """Seconds of an update on average, by what they are for."""
        if self.period == 1:
            return {"the method": self.later}
        return {
            f"the method, first of {self.period} updates": self.first / self.period,
            "the method, the others": self.later * (self.period - 1) / self.period,
        }


@dataclass(frozen=True, eq=False)
class _Tried:
    # Updates with a share of the images.
    share: float
    spent: Sequence[float]
    memory: float | None
    made: ImageSet

    @property
    def later(self) -> float:
        # The first warms up, and may come without the network of an update before.
        return statistics.median(self.spent[1:] or self.spent)

    @property
    def first(self) -> float:
        return min(self.spent[0], self.later)


def probed(
    method: Method,
    task: Task,
    descent: Descent,
    regularisers: Mapping[str, Regulariser] | None = None,
    *,
    seconds: float = BUDGET,
) -> Probe:
    """Carry out a few updates, and return what one costs.

    They are tried with a tenth of the images and with three tenths, and with all if time allows.
    Where it does not, costs are on the line through those of the two shares.

    Args:
        method: any.
        task: what it works on.
        descent: as the run will have it.
        regularisers: what else is computed in an update.
        seconds: for all of it.

    Raises:
        InputError: see ``distill``.
    """
    least = min(period_of(method), 2)  # under a new network, and not
    end, tried = _now(task) + seconds, list[_Tried]()
    for share in SHARES:
        if share == 1 and _now(task) + least * tried[-1].later / tried[-1].share > end:
            break
        few = _smaller(descent, share, starting_counts(task.real, descent))
        some = least if tried else 2  # the very first warms up
        tried.append(_tried(method, task, few, regularisers or {}, share, some, end))
    return _probe(tried, period_of(method))


def _probe(tried: Sequence[_Tried], period: int) -> Probe:
    memory = [one.memory for one in tried if one.memory is not None]
    shares = [one.share for one in tried]
    return Probe(
        first=_whole(shares, [one.first for one in tried]),
        later=_whole(shares, [one.later for one in tried]),
        period=period,
        memory=_whole(shares, memory) if len(memory) == len(tried) else None,
        share=shares[-1],
        updates=len(tried[-1].spent),
        made=tried[-1].made,
    )


def _tried(
    method: Method,
    task: Task,
    descent: Descent,
    regularisers: Mapping[str, Regulariser],
    share: float,
    least: int,
    end: float,
) -> _Tried:
    give_back_memory()
    spent, made = list[float](), None
    with Peak(task.real.images.device) as peak:
        started = _now(task)
        for snapshot in distill(method, task, descent, regularisers=regularisers):
            now = _now(task)
            spent.append(now - started)
            made = snapshot.synthetic
            enough = len(spent) >= (least if share < 1 else MOST)
            if enough or (len(spent) >= least and now + spent[-1] > end):
                break
            started = _now(task)
    assert made is not None
    return _Tried(share, spent, peak.bytes, made)


def _smaller(descent: Descent, share: float, counts: Sequence[int]) -> Descent:
    # With a share of the images, at least one of each class that has some.
    some = tuple(max(round(count * share), 1) if count else 0 for count in counts)
    init = "noise" if descent.init == "noise" else "real"  # picking is no part of an update
    batch = max(round(descent.batch * share), 1)
    return replace(descent, ipc=some, batch=batch, updates=MOST, init=init)


def _whole(shares: Sequence[float], values: Sequence[float]) -> float:
    # The value at all images: on the line through the last two.
    if shares[-1] == 1:
        return values[-1]
    steep = max(values[-1] - values[-2], 0.0) / (shares[-1] - shares[-2])
    return values[-1] + steep * (1 - shares[-1])


def _now(task: Task) -> float:
    synchronise(task.real.images.device)  # it may go on computing what was asked of it
    return time.perf_counter()
