"""CutMix: a rectangle of another image in each, and labels to match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from datastill.augment.policies import uniform
from datastill.base.rng import Key, moved


@dataclass(frozen=True, eq=False)
class Mix:
    """How each of some images gets a rectangle of another.

    Attributes:
        order: ``(n,)``, whose rectangle each gets.
        side: ``(1,)``, of the rectangle, as a share of height and of width.
        centre: ``(2,)``, of the rectangle, likewise.
    """

    order: Tensor
    side: Tensor
    centre: Tensor

    def window(self, sides: Sequence[int]) -> Tensor:
        """Return ``(H, W)`` booleans: what is replaced."""
        rows, columns = (
            (torch.arange(full) >= (full * (at - self.side / 2)).floor())
            & (torch.arange(full) < (full * (at + self.side / 2)).floor())
            for at, full in zip(self.centre, sides, strict=True)
        )
        return rows[:, None] & columns


def draw_cutmix(n: int, *, key: Key) -> Mix:
    """Draw how to put a rectangle of another image into each of ``n``, see ``mixed``.

    The rectangle has a share of the area that is uniform between 0 and 1 and may reach over the
    edge.
    """
    order = torch.randperm(n, generator=key.at("order").generator())
    side = uniform(1, 0, 1, key=key.at("area")).sqrt()
    return Mix(order, side, uniform(2, 0, 1, key=key.at("centre")))


def mixed(images: Tensor, shares: Tensor, mixes: Sequence[Mix]) -> tuple[Tensor, Tensor]:
    """Put rectangles into images, and mix their labels by the area that is replaced.

    Args:
        images: ``(N, C, H, W)``, as many for one mix after another as each was drawn for.
        shares: ``(N, K)``, of the classes.
        mixes: see ``draw_cutmix``.

    Returns:
        Images and shares of the same shapes.

    Reference:
        Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers, ICCV 2019.
    """
    counts = torch.tensor([len(mix.order) for mix in mixes])
    starts = counts.cumsum(0) - counts
    order = torch.cat([mix.order + first for mix, first in zip(mixes, starts, strict=True)])
    windows = torch.stack([mix.window(images.shape[-2:]) for mix in mixes])
    drawn = (order, windows, torch.arange(len(mixes)).repeat_interleave(counts))
    others, pasted, whose = (moved(values, images.device) for values in drawn)
    replaced = pasted.float().mean((1, 2))[whose, None]
    return (
        torch.where(pasted[whose, None], images[others], images),
        shares + (shares[others] - shares) * replaced,
    )
