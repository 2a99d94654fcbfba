"""What the numbers of images look like: pixels, normalised, or whitened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Kind = Literal["bytes", "pixels", "normalised", "whitened"]

CORRELATED = 0.35
"""Neighbouring pixels of normalised pictures agree more than this, of whitened ones less."""

INSIDE = 0.9
"""Of pixels in [0, 1] at least this share is; of normalised or whitened ones about half is
negative."""


@dataclass(frozen=True)
class Look:
    """What images look like, and by which of their statistics."""

    kind: Kind
    why: str


def look_at(images: Tensor) -> Look:
    """Tell the kind of ``(N, C, H, W)`` images by their statistics.

    Whole numbers up to 255 are bytes, numbers in ``[0, 1]`` pixels. Of what is centred on zero,
    neighbouring pixels agree in normalised pictures and do not in whitened ones. Nor do they in
    a set that was started from noise; but that is as wide as a normal distribution of variance
    1 and has no heavier tails, while whitened pictures are mostly flat with few strong edges.
    """
    values = images.double()
    low, high = values.min().item(), values.max().item()
    span = f"values from {low:.2f} to {high:.2f}"
    if low >= 0 and high > 1 and bool((values == values.round()).all()) and high <= 255:
        return Look("bytes", f"whole numbers, {span}")
    share = ((values >= -1e-3) & (values <= 1 + 1e-3)).double().mean().item()
    if share >= INSIDE:
        return Look("pixels", f"{span}, {share:.0%} in 0 to 1")
    agreement = neighbour_correlation(values)
    near = f"neighbouring pixels correlate by {agreement:.2f}"
    if agreement >= CORRELATED:
        return Look("normalised", f"{span}, {near}")
    std, tails = values.std(correction=0).item(), _excess_kurtosis(values)
    if 0.85 < std < 1.5 and tails < 1:
        return Look("normalised", f"{near}, std {std:.2f}, as of a set started from noise")
    return Look("whitened", f"{near}, std {std:.2f}, heavy tails ({tails:.1f})")


def neighbour_correlation(images: Tensor) -> float:
    """Return how far pixels agree with the next one to the right and below, from -1 to 1.

    >>> import torch
    >>> ramp = torch.arange(16.0).reshape(1, 1, 4, 4)
    >>> neighbour_correlation(ramp) > 0.5
    True
    """
    centred = images - images.mean((0, 2, 3), keepdim=True)
    pairs = [
        (centred[..., :-1], centred[..., 1:]),
        (centred[..., :-1, :], centred[..., 1:, :]),
    ]
    found = [
        ((a * b).mean() / (a.square().mean() * b.square().mean()).sqrt().clamp(min=1e-12)).item()
        for a, b in pairs
        if a.numel()
    ]
    return sum(found) / max(1, len(found))


def _excess_kurtosis(values: Tensor) -> float:
    # 0 for a normal distribution; large where few values are far out.
    centred = values - values.mean()
    variance = centred.square().mean().clamp(min=1e-12)
    return (centred.pow(4).mean() / variance.square()).item() - 3
