"""What the scores of sets follow from, without a test set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from datastill.base.errors import InputError, countable, not_negative, positive
from datastill.runs.specs.base import Spec, Unit
from datastill.runs.specs.parts import ComputeSpec, DataSpec, PoolSpec


@dataclass(frozen=True, kw_only=True)
class AssessSpec(Spec):
    """What the scores of a set follow from.

    Attributes:
        set: the set: a file, or the folder of a run. A command finds it by `dataset`, `method` and
            `ipc` too.
        data: whose training images. Default: the dataset that the set was made from.
        compute: how to compute.
        pool: architectures of the original models that judge; by features alone also hf:NAME.
        assessments: names, such as om-accuracy om-accuracy/ConvNet om-accuracy@5. Default: all
            cheap ones.
        draws: random sets of real images to score beside it.
        retests: times that every score is made anew, by other real images and fresh networks; it is
            the mean then, and ± tells how far one draw is from another.
    """

    kind: ClassVar[str] = "assess"

    set: str
    data: DataSpec = field(default_factory=DataSpec)
    compute: ComputeSpec = field(default_factory=ComputeSpec)
    pool: PoolSpec = field(default_factory=PoolSpec)
    assessments: tuple[str, ...] = ()
    draws: int = 3
    retests: int = 0

    def units(self) -> tuple[Unit, ...]:
        """Return the only piece: what is said of the set."""
        return (Unit("scores", self),)

    def check(self) -> None:
        """See ``Part``."""
        not_negative(draws=self.draws, retests=self.retests)
        countable(draws=self.draws, retests=self.retests)


@dataclass(frozen=True, kw_only=True)
class RankSpec(Spec):
    """What a ranking of finished sets follows from.

    Attributes:
        sets: the sets: files, or folders of runs.
        by: the assessment, such as om-cross-entropy, om-accuracy/ConvNet or om-accuracy@5. The
            default asks for no original model and tells poor sets from good ones; among good ones,
            seeds or alphas train networks.
        rungs: by networks of its own (proxy-likelihood): train them for so many epochs, from
            scratch for each of these numbers, and keep the best third of the sets for the next: 20
            60 200.
        data: whose training images. Default: the dataset that the first set was made from.
        compute: how to compute.
        pool: architectures of the original models that judge; by features alone also hf:NAME.
    """

    kind: ClassVar[str] = "select"

    sets: tuple[str, ...]
    by: str = "fresh-gradient-distance"
    rungs: tuple[int, ...] = ()
    data: DataSpec = field(default_factory=DataSpec)
    compute: ComputeSpec = field(default_factory=ComputeSpec)
    pool: PoolSpec = field(default_factory=PoolSpec)

    def check(self) -> None:
        """See ``Part``."""
        if not self.sets:
            raise InputError("name the `sets` to rank by their paths")
        for rung in self.rungs:
            positive(rungs=rung)
        if list(self.rungs) != sorted({*self.rungs}):
            raise InputError(f"`rungs` must grow, found {' '.join(map(str, self.rungs))}")
