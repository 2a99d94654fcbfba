"""Correct: real images, drawn at random, of which an original model knows the class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.base.rng import Key, moved
from datastill.data import ImageSet, draw_rows, require_held
from datastill.training.coresets.base import CORESETS, JUDGED, Need
from datastill.training.pool import Pool
from datastill.training.seeing import Teacher, teacher


@dataclass(frozen=True)
class Correct:
    """Draw images of each class, and keep those that an original model is right about.

    Where it is right about fewer than are wanted, those of the others follow of which the
    cross-entropy is the lowest.

    Reference:
        What DATM (ICLR 2024) starts from.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"originals"})

    def __call__(
        self,
        real: ImageSet,
        counts: Sequence[int],
        *,
        key: Key,
        features: Tensor | None = None,  # noqa: ARG002 - it looks at no space
        originals: Pool = (),
    ) -> Tensor:
        """Return the rows of the images."""
        require_held(real, counts)
        judge, orders = teacher(originals[0], real.domain), draw_rows(real, real.counts, key=key)
        found = [_right(judge, real, *one) for one in zip(orders, counts, strict=True)]
        return torch.cat(found)


@torch.no_grad()
def _right(judge: Teacher, real: ImageSet, order: Tensor, count: int) -> Tensor:
    # Of rows of one class in an order, the first ones that the judge is right about.
    right, losses = order[:0], torch.zeros(0)
    wrong = order[:0]
    for rows in order.split(JUDGED):
        if len(right) >= count:
            break
        some = real.take(moved(rows, real.images.device))
        said = judge(some.images)
        known = (said.argmax(1) == some.hard_labels).cpu()
        loss = F.cross_entropy(said, some.hard_labels, reduction="none").cpu()
        right, wrong = torch.cat([right, rows[known]]), torch.cat([wrong, rows[~known]])
        losses = torch.cat([losses, loss[~known]])
    return torch.cat([right, wrong[losses.argsort(stable=True)]])[:count]


CORESETS.register("correct")(Correct())
