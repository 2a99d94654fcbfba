"""Images by class, and draws of some of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.base.errors import InputError, is_number, told
from datastill.base.rng import Key, moved
from datastill.data.images import ImageSet


@dataclass(frozen=True, eq=False, repr=False)
class ByClass:
    """Images sorted by class: what a method sees of real and of synthetic ones.

    Attributes:
        images: ``(M, C, H, W)``, the first class first.
        counts: images of each class, zero for an absent one; ``M = sum(counts)``.
    """

    images: Tensor
    counts: tuple[int, ...]

    def __repr__(self) -> str:
        return f"ByClass({tuple(self.images.shape)} images, counts={self.counts})"

    @cached_property
    def labels(self) -> Tensor:
        """The ``(M,)`` labels."""
        counts = torch.tensor(self.counts)
        classes = torch.arange(len(counts)).repeat_interleave(counts, output_size=sum(self.counts))
        return moved(classes, self.images.device)

    def split(self) -> tuple[Tensor, ...]:
        """Return the images of each class, ``(counts[k], C, H, W)``."""
        return self.images.split(self.counts)

    def means(self, features: Tensor) -> Tensor:
        """Average ``(M, D)`` features over each class: ``(K, D)``, one matrix product.

        The mean of an absent class is zero.

        >>> four = ByClass(torch.zeros(4, 1, 1, 1), counts=(1, 3, 0))
        >>> four.means(torch.tensor([[5.0], [1.0], [2.0], [3.0]])).flatten().tolist()
        [5.0, 2.0, 0.0]
        """
        member = F.one_hot(self.labels, len(self.counts)).T.to(features)
        return (member @ features) / member.sum(1, keepdim=True).clamp(min=1)


def draw_rows(data: ImageSet, n: int | Sequence[int], *, key: Key) -> list[Tensor]:
    """Draw different images of every class: ``n``, or ``n[k]`` of class ``k``, as rows.

    A class that has fewer gives all it has.
    """
    wanted = [n] * len(data.domain.classes) if isinstance(n, int) else list(n)
    rng = key.generator()
    return [
        members[torch.randperm(len(members), generator=rng)[:count]]
        for members, count in zip(data.rows_by_class, wanted, strict=True)
    ]


def draw_share(by_class: Sequence[Tensor], share: float, *, key: Key) -> Tensor:
    """Draw a share of every class, as ``(N,)`` booleans.

    Args:
        by_class: the rows of each class, see ``rows_by_class``.
        share: to draw of them: above 0, at least one row, but never the last.
        key: decides which.
    """
    if not (is_number(share) and 0 <= share <= 1):
        raise InputError(f"a share is from 0 to 1, found {told(share)}")
    chosen = torch.zeros(sum(map(len, by_class)), dtype=torch.bool)
    for k, rows in enumerate(by_class):
        order = torch.randperm(len(rows), generator=key.at(k).generator())
        chosen[rows[order[: _share(len(rows), share)]]] = True
    return chosen


def sample_per_class(data: ImageSet, n: int | Sequence[int], *, key: Key) -> ByClass:
    """Draw images as ``draw_rows`` does, and return them."""
    rows = draw_rows(data, n, key=key)
    index = moved(torch.cat(rows), data.images.device)
    return ByClass(data.images[index], tuple(len(chosen) for chosen in rows))


def _share(n: int, share: float) -> int:
    return min(max(1, round(share * n)), max(n - 1, 0)) if share > 0 else 0
