"""Find the fastest of several ways by measuring, fairly, and remember it.

Each way is tried, on few images first, within a share of time that is set beforehand. They take
turns, and the least of several times counts, so that whatever else a machine does meets all of
them alike. What was found while timings scattered serves this process and is not remembered.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from datastill.base import machine
from datastill.base.version import own_version

Step = Callable[[int], float]
"""Does a piece of work on so many images, and returns the seconds that it took."""

Curve = dict[int, list[float]]
"""Seconds, by numbers of images."""

FEW, GROWTH = 2, 4
"""Images that a way is first tried on, and how many times as many it is tried on next."""

BUDGET = 2.0
"""Seconds for the last turns of all ways, in equal shares, once each was tried on few images."""

ROUNDS, MOST_ROUNDS = 3, 8
"""Turns of the last trial: how many are planned, and the most while timings scatter."""

SCATTER = 1.2
"""The two least times of a way differ by no more than this factor on a machine at rest."""

TIE = 0.95
"""Another way than the first must take less than this share of its time."""

MEMORY = "routes"

_log = logging.getLogger("datastill")
_known: dict[str, Answer] = {}


@dataclass(frozen=True)
class Timed:
    """What ways took.

    Attributes:
        seconds: by way, from the least of a few times.
        images: in a step of so many seconds.
        tried: by way, on how many it was tried at last.
        steady: whether each of the last times came twice.
    """

    seconds: Mapping[str, float]
    images: int
    tried: Mapping[str, int]
    steady: bool

    @property
    def fastest(self) -> str:
        """The name of the fastest way; the first one where no other is clearly faster."""
        first = next(iter(self.seconds))
        best = min(self.seconds, key=lambda name: self.seconds[name])
        return best if self.seconds[best] < TIE * self.seconds[first] else first


@dataclass(frozen=True)
class Answer:
    """The way that was chosen, and why.

    Attributes:
        way: its name.
        seconds: that a step took by each way that was tried.
        images: in the step.
        tried: on how many of them each way was tried; for more it follows from what it took.
        of: what was asked, in words.
        kernels: the instructions that they were built for, empty without kernels.
        steady: whether timings came twice, so that it is remembered.
        measured: whether that was in this process, or is remembered.
    """

    way: str
    seconds: Mapping[str, float]
    images: int
    tried: Mapping[str, int]
    of: str
    kernels: str = ""
    steady: bool = True
    measured: bool = True


@dataclass(frozen=True)
class Question:
    """What the fastest way is asked for.

    Attributes:
        of: what runs, in words, such as ``"ConvNet on 1x28x28"``.
        kernels: the instructions that they are built for, empty without kernels.
        parts: everything else that the answer depends on.
    """

    of: str
    kernels: str
    parts: Sequence[Any]

    @property
    def address(self) -> str:
        """Where the answer is kept: another one for another version of this package."""
        whole = repr((self.kernels, *self.parts, own_version()))
        return hashlib.sha256(whole.encode()).hexdigest()[:16]


def answer(
    question: Question,
    ways: Mapping[str, Step],
    *,
    most: int,
    finer: Callable[[str], Mapping[str, Step]],
) -> Answer:
    """Measure which way is the fastest, keep that for this process and, if it is firm, for others.

    Args:
        question: what it is asked for.
        ways: by name, the first of which is taken where none is clearly faster.
        most: images, if time allows.
        finer: further ways by the name of the fastest, itself the first. They are told apart by
            ``most`` images only, and not tried where that would take too long.
    """
    _log.info("measuring which way %s runs fastest here: a few seconds, once", question.of)
    found = fairly(ways, most)
    way, seconds, tried, steady = found.fastest, found.seconds, found.tried, found.steady
    more = finer(way)
    if len(more) > 1 and tried[way] == most:
        last = fairly(more, most)
        steady = steady and last.steady
        if set(last.tried.values()) == {most}:
            way, scale = last.fastest, found.images / last.images
            tried = {**tried, **last.tried}
            seconds = {**seconds, **{name: scale * each for name, each in last.seconds.items()}}
    rounded = {name: float(f"{value:.3g}") for name, value in seconds.items()}
    choice = Answer(way, rounded, found.images, tried, question.of, question.kernels, steady)
    hold({question.address: choice})
    if steady:
        kept = {**asdict(choice), "version": own_version()}
        machine.remember(MEMORY, **{question.address: kept})
    return choice


def known(question: Question, ways: Sequence[str]) -> Answer | None:
    """Return what was found before, in this process or in an earlier one; None if nothing was.

    Args:
        question: what is asked.
        ways: names of those that there are.
    """
    held = _known.get(question.address)
    if held is None:
        held = _read(machine.recalled(MEMORY).get(question.address))
        if held is None or held.way not in ways:
            return None
        hold({question.address: held})
    return held


def chosen() -> dict[str, Answer]:
    """Return all that this process has chosen, by address."""
    return dict(_known)


def hold(choices: Mapping[str, Answer]) -> None:
    """Have this process choose as was chosen before, by address: a run that is resumed, say."""
    _known.update(choices)


def forget() -> None:
    """Forget all that was measured, in this process and on this machine."""
    _known.clear()
    machine.forget(MEMORY)


def fairly(ways: Mapping[str, Step], most: int) -> Timed:
    """Measure ways against each other, each in an equal share of ``BUDGET``.

    All begin with few images, and go on to more as long as their share pays for it. They are
    compared at ``most`` images, or at ``GROWTH`` times as many as all came to: what that takes
    follows from what a way took for the two largest numbers that it was tried on, for some spend
    much on a step, whatever the number, and little on an image.

    Args:
        ways: by name.
        most: images.
    """
    share, few = BUDGET / len(ways), min(FEW, most)
    for step in ways.values():
        step(few)  # warms up
    curves: dict[str, Curve] = {name: {} for name in ways}
    sizes, growing = dict.fromkeys(ways, few), list(ways)
    while growing:
        for name in 2 * growing:
            curves[name].setdefault(sizes[name], []).append(ways[name](sizes[name]))
        larger = {name: _larger(curves[name], most, share) for name in growing}
        growing = [name for name in growing if larger[name] > sizes[name]]
        sizes |= {name: larger[name] for name in growing}
    for turn in range(3, 3 + MOST_ROUNDS):
        ended = [curves[name][sizes[name]] for name in ways]
        if sum(map(sum, ended)) > BUDGET or (turn > ROUNDS and _steady(ended)):
            break
        for name in ways:
            curves[name][sizes[name]].append(ways[name](sizes[name]))
    images = min(most, GROWTH * min(sizes.values()))
    seconds = {name: _predicted(curve, images) for name, curve in curves.items()}
    return Timed(seconds, images, sizes, _steady([curves[name][sizes[name]] for name in ways]))


def _larger(curve: Curve, most: int, share: float) -> int:
    # The next number of images of which a share pays for the last turns; and a second in any case.
    last = max(curve)
    most = min(most, GROWTH * last)
    if len(curve) == 1:
        return most
    while most > last and ROUNDS * _predicted(curve, most) > share:
        most -= max(1, most // 8)
    return max(most, last)


def _predicted(curve: Curve, images: int) -> float:
    last = max(curve)
    before = max((size for size in curve if size < last), default=0)
    seconds, start = min(curve[last]), min(curve[before]) if before else 0.0
    slope = max(seconds - start, 0.0) / (last - before)
    return seconds + slope * (images - last)


def _steady(taken: Iterable[Sequence[float]]) -> bool:
    return all(sorted(times)[1] <= SCATTER * min(times) for times in taken)


def _read(kept: Any) -> Answer | None:
    try:
        seconds = {str(name): float(value) for name, value in kept["seconds"].items()}
        tried = {str(name): int(count) for name, count in kept["tried"].items()}
        way, of, built = str(kept["way"]), str(kept["of"]), str(kept["kernels"])
        return Answer(way, seconds, int(kept["images"]), tried, of, built, measured=False)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
