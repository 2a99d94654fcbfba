"""What is known of a set: read from the files of its run, or found out for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from datastill.base.errors import is_number
from datastill.data import ImageSet
from datastill.evaluation.plan import Result
from datastill.evaluation.studies import Record


def number_in(facts: Mapping[str, Any], name: str) -> float | None:
    """Return a finite number that facts hold by a name; None where there is none."""
    value = facts.get(name)
    return None if value is None or not is_number(value) else float(value)


@dataclass(frozen=True, eq=False)
class Nearest:
    """The real images that are nearest to some of a set.

    Attributes:
        rows: of the set's images, as networks see them.
        images: ``(N, C, H, W)``, the real image that is nearest to each, normalised likewise.
        labels: ``(N,)`` classes of these.
        distances: ``(N,)`` roots of the mean squares of differences of pixels.
        among: how many real images were looked at.
    """

    rows: Sequence[int]
    images: Tensor
    labels: Tensor
    distances: Tensor
    among: int


@dataclass(frozen=True, eq=False)
class Taken:
    """What original models take the images of a set for.

    Attributes:
        shares: ``(N, K)``, mean of what the models say, of every image of the set.
        by: who they are, in words.
    """

    shares: Tensor
    by: str


@dataclass(frozen=True, eq=False)
class ByClass:
    """How networks that were trained on a set do on test images, class by class.

    Attributes:
        rows: for each network its name, and its accuracy on each class; NaN where there are no
            test images.
        tested: test images.
    """

    rows: Sequence[tuple[str, Sequence[float]]]
    tested: int


@dataclass(frozen=True, eq=False)
class Exam:
    """What a study knows of one of its sets.

    Attributes:
        record: of the set.
        random: those of random real images of the study, as many of each class.
        terms: by what networks were trained, in words.
    """

    record: Record
    random: Sequence[Record]
    terms: str


@dataclass(frozen=True, eq=False)
class Standing:
    """How far a study is.

    Attributes:
        made: names of the sets that are there.
        missing: of those that are to be made.
        records: of sets that were assessed, or trained on, by their names.
        trials: networks that are to be trained on each; 0 where nobody knows.
    """

    made: Sequence[str]
    missing: Sequence[str]
    records: Mapping[str, Record]
    trials: int

    @property
    def trained(self) -> int:
        """Networks that were trained."""
        return sum(len(record.trials) for record in self.records.values())

    @property
    def left(self) -> int:
        """Networks that are to be trained, if no set equals another, which would not count."""
        done = sum(min(len(one.trials), self.trials) for one in self.records.values())
        return self.trials * (len(self.made) + len(self.missing)) - done

    @property
    def extended(self) -> bool:
        """Whether more was asked for than there is of sets, and of networks on those that count."""
        few = any(len(record.trials) < self.trials for record in self.records.values())
        return bool(self.missing) or few


@dataclass(frozen=True, eq=False)
class Held:
    """All that a page says of a set.

    Attributes:
        name: by which a person asked for it.
        data: the set.
        events: of its journal.
        frames: updates, and some of the images as they were after these: ``(M, H, W, 1 or 3)``.
        assessments: that were made of it, as they were written.
        recipe: text of the file that repeats it, and its path.
        nearest: see there; None where real images are not at hand.
        taken: see there; None where there are no original models.
        by_class: see there; None where no networks were kept.
        missing: why something of that is not there, by what it is.
        under_way: how far its run is, in words; nothing of one that is finished.
        exam: what a study knows of it; None where it is in none.
        so_far: what networks reached of a validation that goes on.
    """

    name: str
    data: ImageSet
    events: Sequence[Mapping[str, Any]] = ()
    frames: Sequence[tuple[int, NDArray[np.uint8]]] = ()
    assessments: Sequence[Mapping[str, Any]] = ()
    recipe: tuple[str, str] | None = None
    nearest: Nearest | None = None
    taken: Taken | None = None
    by_class: ByClass | None = None
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    under_way: str = ""
    exam: Exam | None = None
    so_far: Sequence[Result] = ()

    @property
    def validations(self) -> Sequence[Mapping[str, Any]]:
        """The validations that the set knows of."""
        found = self.data.facts.get("validated")
        return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
