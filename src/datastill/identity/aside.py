"""Which images are kept for tests, and of which images it is certain that they were not trained on.

By and large a threshold of digests decides. What deviates from it, so that small classes keep their
share too, is written down: the two together tell of every image on which side it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datastill.identity.content import Digests

ALL_ROWS = 2.0**64
LEEWAY = 10
"""What a threshold keeps of a class may differ from its share by one part in so many."""
WITNESSES = 16
"""Digests of images trained on that are written down, by which it is seen if all have changed."""


@dataclass(frozen=True)
class Aside:
    """How images were kept aside for tests.

    Attributes:
        share: of all digests, below which an image is kept.
        above: digests of images that are kept though they are not below it.
        below: digests of images that are trained on though they are.
        some: digests of a few that are trained on. Where none of them is there any more, all
            pictures may have been saved anew, and be known by other digests now.
    """

    share: float
    above: tuple[int, ...] = ()
    below: tuple[int, ...] = ()
    some: tuple[int, ...] = ()

    @classmethod
    def by(cls, found: Digests, kept: Tensor, share: float) -> Aside:
        """Return how ``(N,)`` booleans ``kept`` came about, for images of the digests ``found``."""
        low, held = found < _limit(share), kept.numpy()
        above, below = (np.unique(found[odd]).tolist() for odd in (held & ~low, low & ~held))
        some = np.unique(found[~held])[:WITNESSES].tolist()
        return cls(share, tuple(above), tuple(below), tuple(some))

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Aside | None:
        """Return what ``facts`` were made of; None where an earlier version wrote less of it."""
        share, above, below = map(facts.get, ("share", "kept_though_above", "trained_though_below"))
        if share is None or above is None or below is None:
            return None
        lists = (above, below, facts.get("trained_on_some") or ())
        return cls(share, *(tuple(int(each, 16) for each in one) for one in lists))

    def facts(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "share": self.share,
            "kept_though_above": [f"{each:016x}" for each in self.above],
            "trained_though_below": [f"{each:016x}" for each in self.below],
            "trained_on_some": [f"{each:016x}" for each in self.some],
        }

    def unseen(self, found: Digests) -> NDArray[np.bool_]:
        """Tell which images were certainly not trained on, ``(N,)``, be they known or new.

        Args:
            found: their digests.
        """
        above, below = (np.array(each, np.uint64) for each in (self.above, self.below))
        return ((found < _limit(self.share)) & ~np.isin(found, below, kind="sort")) | np.isin(
            found, above, kind="sort"
        )

    def lost(self, found: Digests) -> float:
        """Return how many of those trained on that are written down are not there, as a share."""
        gone = ~np.isin(np.array(self.some, np.uint64), found, kind="sort")
        return float(gone.mean()) if len(gone) else 0.0

    def covers(self, other: Aside) -> bool:
        """Tell whether of the same images all that ``other`` keeps are kept here, too."""
        above, below = (np.array(each, np.uint64) for each in (other.above, self.below))
        if self.share < other.share:
            return False
        return bool(self.unseen(above).all()) and not bool(other.unseen(below).any())


def kept_aside(found: Digests, by_class: Sequence[Tensor], share: float) -> Tensor:
    """Choose the images that are kept for tests, as ``(N,)`` booleans.

    Of each class those with the least digests are kept: as many as are below the share of all
    digests that there are, but at least nine and at most eleven tenths of the class's share,
    rounded; one at least of two or more, and no more than a half, or than the share if that is
    larger. So names and order change nothing; of a class of thousands no image changes sides when
    others come or go, and of a small one few do. Copies of an image stay together: one that is in
    several classes is kept if all of them keep it, or if one would have none otherwise.

    Args:
        found: digests of the images.
        by_class: the rows of each class, see ``data.rows_by_class``.
        share: to keep, above 0 and below 1.
    """
    classes = [np.unique(found[rows.numpy()]) for rows in by_class]
    lowest = [mine[: _number(mine, share)] for mine in classes]
    every, times = np.unique(np.concatenate(classes), return_counts=True)
    some, votes = np.unique(np.concatenate(lowest), return_counts=True)
    kept = some[votes == times[np.searchsorted(every, some)]]
    if (times > 1).any():
        kept = _for_all(kept, classes, share)
    return torch.from_numpy(np.isin(found, kept, kind="sort"))


def kept_by_threshold(found: Digests, by_class: Sequence[Tensor], share: float) -> Tensor:
    """Choose as an earlier version did, which wrote no exceptions down; see ``kept_aside``."""
    limit = _limit(share)
    classes = [np.unique(found[rows.numpy()]) for rows in by_class]
    kept = set[int](found[found < limit].tolist())
    kept |= {int(mine[0]) for mine in classes if len(mine) > 1 and mine[0] >= limit}
    below = [[each for each in mine.tolist() if each in kept] for mine in classes]
    for mine, low in zip(classes, below, strict=True):
        kept -= set(low[_most(len(mine), share) :])
    return torch.from_numpy(np.isin(found, np.array(sorted(kept), np.uint64), kind="sort"))


def _number(mine: Digests, share: float) -> int:
    most = _most(len(mine), share)
    wanted = min(max(round(share * len(mine)), 1), most)
    below = int(np.searchsorted(mine, _limit(share)))
    return min(max(below, wanted - wanted // LEEWAY), wanted + wanted // LEEWAY, most)


def _most(images: int, share: float) -> int:
    return min(images - 1, max(1, int(images * max(share, 0.5)))) if images else 0


def _for_all(kept: Digests, classes: Sequence[Digests], share: float) -> Digests:
    # Finds an image for each class of which none is kept, where no other class would have too many.
    held = set[int](kept.tolist())
    members = [set[int](mine.tolist()) for mine in classes]
    for mine in sorted(classes, key=lambda each: each.tobytes()):
        if len(mine) < 2 or not held.isdisjoint(mine.tolist()):
            continue
        full = [each for each in members if len(each & held) >= _most(len(each), share)]
        free = (one for one in mine.tolist() if not any(one in each for each in full))
        one = next(free, None)
        held |= set() if one is None else {one}
    return np.array(sorted(held), np.uint64)


def _limit(share: float) -> np.uint64:
    return np.uint64(min(share * ALL_ROWS, ALL_ROWS - 4096))
