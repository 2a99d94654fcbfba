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

WIDE = 10
"""Of images that are normalised by any dataset the standard deviation is smaller; of numbers from 0
to 255 it is larger."""

EDGE, FULL = 1e-3, 0.98
"""Pixels from -1 to 1 leave these bounds by less than the first, and come nearer than the second;
images that are normalised by a dataset of pictures go further."""

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

    Bytes are bytes; so are whole numbers up to 255, and numbers in ``[0, 1]`` are pixels. What
    fills -1 to 1 or is wider than ``WIDE`` is on a scale of its own. What is centred on zero is
    whitened where it is narrow, see ``WHITENED``. Otherwise it is normalised, if neighbouring
    pixels agree, as they do in pictures; or, as in a set that was started from noise, if it is as
    wide as a normal distribution of variance 1 and has no heavier tails.
    """
    if images.dtype == torch.uint8:
        low, high = (int(end) for end in images.aminmax())
        return Look("bytes", f"whole numbers, values from {low:.2f} to {high:.2f}")
    values = some_of(images).double()
    low, high = values.min().item(), values.max().item()
    span = f"values from {low:.2f} to {high:.2f}"
    if _are_whole(values, low, high):
        return Look("bytes", f"whole numbers, {span}")
    share = share_within(values, -1e-3, 1 + 1e-3)
    if share >= INSIDE:
        return Look("pixels", f"{span}, {share:.0%} in 0 to 1")
    std, agreement = values.std(correction=0).item(), neighbour_correlation(values)
    scale = _own_scale(images.shape[1], low, high, std)
    if scale:
        return Look("unclear", f"{span}, {scale}")
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


def _are_whole(values: Tensor, low: float, high: float) -> bool:
    # Bytes that were divided by 255 and multiplied again are rounded.
    inside = low >= -EDGE and 2 - EDGE <= high <= 255 + EDGE
    return inside and bool(((values - values.round()).abs() <= EDGE).all())


def _own_scale(channels: int, low: float, high: float, std: float) -> str | None:
    # Why images are on no scale that a dataset's normalisation gives; None where they may be.
    if std > WIDE:
        return (
            f"std {std:.0f}, of normalised ones it is near 1: numbers from 0 to 255, or bytes that "
            "were saved by another type, are divided by 255 before they are saved"
        )
    if -1 - EDGE <= low <= -FULL and FULL <= high <= 1 + EDGE:
        half = ",".join(["0.5"] * channels)
        return f"which they fill, as pixels do that are normalised by {half}/{half}"
    return None


def are_wide(images: Tensor) -> bool:
    """Tell whether images are wider than any that are pixels from 0 to 1, or normalised."""
    return some_of(images).double().std(correction=0).item() > WIDE


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
