"""Coverage-centric selection: without the hardest images, some of every degree of difficulty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from datastill.base.rng import Key
from datastill.data import ImageSet, require_held
from datastill.training.coresets.base import CORESETS, Need, averaged_over, least
from datastill.training.dynamics import Dynamics


@dataclass(frozen=True)
class CoverageCentric:
    """Leave out a share of the hardest images, then draw from strata of equal width.

    Difficulty is the area under the margin. As published, but class by class, where the published
    program looks at all images at once; and of the margin of logits, as AUM is defined, where that
    takes the margin of shares. With fewer images wanted than there are strata, the fullest strata
    give one each.

    Attributes:
        beta: share of each class to leave out, published from 0 (of sets of 70 % of the data) to
            0.3 (CIFAR-10) or 0.5 (CIFAR-100), of sets of a tenth.
        strata: published 50.

    Reference:
        Zheng et al., Coverage-centric Coreset Selection for High Pruning Rates, ICLR 2023.
    """

    beta: float = 0.3
    strata: int = 50
    needs: ClassVar[frozenset[Need]] = frozenset({"dynamics"})

    def __call__(
        self,
        real: ImageSet,
        counts: Sequence[int],
        *,
        key: Key,
        features: Tensor | None = None,  # noqa: ARG002 - it looks at no space
        dynamics: Sequence[Dynamics] = (),
    ) -> Tensor:
        """Return the rows of the images."""
        require_held(real, counts)
        easiness = averaged_over(dynamics, real, lambda one: one.area_under_margin)
        chosen: list[Tensor] = []
        for label, (rows, count) in enumerate(zip(real.rows_by_class, counts, strict=True)):
            its = key.at(label)
            kept = max(count, len(rows) - int(self.beta * len(rows)))
            easiest = least(-easiness[rows], kept, key=its.at("left out"))
            drawn = stratified(easiness[rows[easiest]], count, self.strata, key=its.at("drawn"))
            chosen.append(rows[easiest[drawn]])
        return torch.cat(chosen)


def stratified(values: Tensor, count: int, strata: int, *, key: Key) -> Tensor:
    """Draw from strata of equal width, of each as many where it has so many.

    What a stratum has too few of, fuller ones give more.

    Args:
        values: ``(N,)``; nan stands for the least.
        count: to draw, up to ``N``.
        strata: between the least and the largest value.
        key: decides which.

    Returns:
        ``(count,)`` indices.
    """
    if not count:
        return torch.zeros(0, dtype=torch.long)
    known = values[~values.isnan()]
    values = values.nan_to_num(float(known.min()) if len(known) else 0.0)
    width = (values.max() - values.min()) / strata
    places = ((values - values.min()) / width.clamp(min=1e-30)).long().clamp(max=strata - 1)
    order = torch.randperm(len(values), generator=key.generator())
    chosen, left = list[Tensor](), count
    sizes = torch.bincount(places, minlength=strata)
    for rank, stratum in enumerate(sizes.argsort(stable=True).tolist()):
        share = min(int(sizes[stratum]), left // (strata - rank))
        chosen.append(order[places[order] == stratum][:share])
        left -= share
    return torch.cat(chosen)


CORESETS.register("ccs")(CoverageCentric())
