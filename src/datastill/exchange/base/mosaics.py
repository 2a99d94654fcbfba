"""Whether images are pictures, or mosaics of smaller ones: told by seams, or by parts alike."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from datastill.data.pixels import ready
from datastill.exchange.base.appearance import some_of

FACTORS = (2, 3)
"""Smaller images along a side that have been published."""

LEAST = 5
"""Images of fewer there is no saying what most of them have in common."""

SURE, PERHAPS = (0.5, 1.5), (0.25, 1.15)
"""Share of the images where seams are what differs most, and how often the jump there over all of
them is the next largest. In 3,600 draws of 5 to 50 images of digits, FashionMNIST and CIFAR-10 none
came near both (ratios 1.09 at most); 99 % and more of CIFAR-10's mosaics are sure."""

ALIKE = 0.4
"""Parts of pictures correlate by less (in these draws 0.29 at most of 10 images, 0.53 of 5); of
centred objects on a plain ground, whose mosaics have no seams, by more (digits 0.85, FashionMNIST
0.71, a third of its side 0.60)."""


@dataclass(frozen=True)
class Mosaic:
    """What images look like that may hold ``factor`` x ``factor`` smaller ones, and how sure."""

    factor: int
    sure: bool
    why: str


def mosaic_in(images: Tensor) -> Mosaic | None:
    """Tell whether ``(N, C, H, W)`` images look like mosaics, and of how many; None if not.

    Rows and columns at which parts meet differ from those before more than any others do, in most
    of the images and along both sides: then it is sure. Parts that are much like each other say as
    much of objects in the middle of a plain ground, but a picture may repeat itself.
    """
    if len(images) < LEAST:
        return None
    some = ready(some_of(images)).double()
    factors = [each for each in FACTORS if min(images.shape[2:]) >= 2 * each + 2]
    seen = [(_seams(some, factor), factor) for factor in factors]
    for (share, jump), factor in seen:
        if share >= PERHAPS[0] and jump >= PERHAPS[1]:
            sure = share >= SURE[0] and jump >= SURE[1]
            where = f"where {factor} a side would meet the images jump {jump:.1f} times as far as"
            return Mosaic(factor, sure, f"{where} anywhere else, in {share:.0%} of them farthest")
    for factor in factors:
        alike = _likeness(some, factor)
        if alike >= ALIKE:
            why = f"their parts, {factor} a side, are much alike (they correlate by {alike:.2f})"
            return Mosaic(factor, sure=False, why=why)
    return None


def _seams(images: Tensor, factor: int) -> tuple[float, float]:
    # The lesser of both axes: share of the images, and the jump over all of them.
    jumps = (
        (images[:, :, 1:] - images[:, :, :-1]).abs().mean((1, 3)),
        (images[..., 1:] - images[..., :-1]).abs().mean((1, 2)),
    )
    found = [_at_seams(jump, factor) for jump in jumps]
    return min(share for share, _ in found), min(ratio for _, ratio in found)


def _at_seams(jumps: Tensor, factor: int) -> tuple[float, float]:
    # (N, side - 1): between a row and the next one; parts are cut as `Unfold` cuts them.
    part = -(-(jumps.shape[1] + 1) // factor)
    at = [k * part - 1 for k in range(1, factor)]
    others = [i for i in range(jumps.shape[1]) if i not in at]
    share = (jumps[:, at].mean(1) > jumps[:, others].amax(1)).double().mean().item()
    over_all = jumps.mean(0)
    ratio = over_all[at].min() / over_all[others].max().clamp(min=1e-9)
    return share, ratio.item()


def _likeness(images: Tensor, factor: int) -> float:
    # How far parts beside and below each other correlate, the lesser of both; from -1 to 1.
    count, channels, *sides = images.shape
    high, wide = (side // factor for side in sides)
    cut = images[:, :, : high * factor, : wide * factor]
    parts = cut.reshape(count, channels, factor, high, factor, wide).permute(2, 4, 0, 1, 3, 5)
    parts = parts.flatten(3)
    parts = parts - parts.mean(-1, keepdim=True)
    parts = parts / parts.norm(dim=-1, keepdim=True).clamp(min=1e-9)
    below, beside = parts[1:] * parts[:-1], parts[:, 1:] * parts[:, :-1]
    return min(_mean(below), _mean(beside))


def _mean(products: Tensor) -> float:
    return products.sum(-1).mean().item()
