"""What the numbers of images look like: pixels, normalised, or whitened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["bytes", "pixels", "normalised", "whitened", "unclear"]

CORRELATED = 0.35
"""Neighbouring pixels of normalised pictures agree more than this, of noise less."""

INSIDE = 0.9
"""Of pixels in [0, 1] at least this share is; of normalised or whitened ones about half is
negative."""

WHITENED, NORMALISED = 0.5, 0.6
"""Pictures whitened as trajectory matching does have a standard deviation near 0.24, normalised
ones near 1: below the first and above the second it can be told."""

FAR = (-0.5, 1.5)
"""Pixels that an optimiser moved may leave [0, 1], but few of them leave this."""

ENOUGH = 2**25
"""Values that are looked at; of larger sets, of images spread evenly."""


@dataclass(frozen=True)
class Look:
    """What images look like, and by which of their statistics."""

    kind: Kind
    why: str


def look_at(images: Tensor) -> Look:
    """Tell the kind of ``(N, C, H, W)`` images by their type and their statistics.

    Bytes are bytes; so are whole numbers up to 255, and numbers in ``[0, 1]`` are pixels. What is
    centred on zero is whitened where it is narrow, see ``WHITENED``. Otherwise it is normalised,
    if neighbouring pixels agree, as they do in pictures; or, as in a set that was started from
    noise, if it is as wide as a normal distribution of variance 1 and has no heavier tails.
    """
    if images.dtype == torch.uint8:
        low, high = (int(end) for end in images.aminmax())
        return Look("bytes", f"whole numbers, values from {low:.2f} to {high:.2f}")
    values = some_of(images).double()
    low, high = values.min().item(), values.max().item()
    span = f"values from {low:.2f} to {high:.2f}"
    if low >= 0 and high > 1 and bool((values == values.round()).all()) and high <= 255:
        return Look("bytes", f"whole numbers, {span}")
    share = share_within(values, -1e-3, 1 + 1e-3)
    if share >= INSIDE:
        return Look("pixels", f"{span}, {share:.0%} in 0 to 1")
    std, agreement = values.std(correction=0).item(), neighbour_correlation(values)
    near = f"neighbouring pixels correlate by {agreement:.2f}"
    if std < WHITENED:
        return Look("whitened", f"{span}, std {std:.2f}, of normalised ones it is near 1")
    if agreement >= CORRELATED:
        known = std >= NORMALISED
        return Look("normalised" if known else "unclear", f"{span}, std {std:.2f}, {near}")
    tails = _excess_kurtosis(values)
    if 0.85 < std < 1.5 and tails < 1:
        return Look("normalised", f"{near}, std {std:.2f}, as of a set started from noise")
    return Look("unclear", f"{near}, std {std:.2f}, tails {tails:.1f}")


def are_no_pixels(images: Tensor) -> bool:
    """Tell whether so many values are far outside of ``[0, 1]`` that images cannot be pixels.

    >>> import torch
    >>> are_no_pixels(torch.randn(4, 1, 8, 8)), are_no_pixels(torch.rand(4, 1, 8, 8) * 1.2)
    (True, False)
    """
    if not images.is_floating_point() or not images.numel():
        return False
    return share_within(some_of(images), *FAR) < INSIDE


def share_within(values: Tensor, low: float, high: float) -> float:
    """Return the share of values between two bounds."""
    return ((values >= low) & (values <= high)).double().mean().item()


def some_of(images: Tensor) -> Tensor:
    """Return images, or of many those that are looked at, spread evenly."""
    step = max(1, -(-images.numel() // ENOUGH))
    return images[::step]


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
