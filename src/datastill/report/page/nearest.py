"""The real images that are nearest to those of a set, pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from datastill.data import ImageSet
from datastill.data.pixels import ready
from datastill.report.page.held import Nearest

AT_ONCE = 1 << 24
"""Numbers of real images that are looked at together: 64 MB of floats."""


def nearest(data: ImageSet, real: ImageSet, rows: Sequence[int]) -> Nearest:
    """Find the real image that is nearest to each of some images, by the squares of differences.

    Args:
        data: the set.
        real: real images, normalised as the set's.
        rows: of the set's images.
    """
    ours = _pixels(data, torch.as_tensor(rows))
    best = torch.full((len(rows),), torch.inf)
    where = torch.zeros(len(rows), dtype=torch.long)
    for part in torch.arange(len(real)).split(max(1, AT_ONCE // max(1, ours.shape[1]))):
        theirs = _pixels(real, part)
        squares = ours.square().sum(1)[:, None] + theirs.square().sum(1) - 2 * ours @ theirs.T
        least, at = squares.min(1)
        nearer = least < best
        best, where = torch.where(nearer, least, best), torch.where(nearer, part[at], where)
    images = ready(real.images[where]).cpu()
    exact = (ours - _pixels(real, where)).square().mean(1).sqrt()  # sums of squares lose digits
    return Nearest(rows, images, real.hard_labels.cpu()[where], exact, len(real))


def _pixels(data: ImageSet, rows: Tensor) -> Tensor:
    images = ready(data.images[rows]).detach().cpu().float()
    return data.domain.pixels(images).clamp(0, 1).flatten(1) - 0.5
