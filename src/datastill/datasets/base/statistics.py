"""Mean and standard deviation of pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.datasets.base.arrays import CHUNK


def statistics(
    values: Tensor, rows: Tensor | None, *, source: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the standard deviation of each channel, of pixels in ``[0, 1]``.

    A channel that never changes gets a deviation of 1, to be divided by.

    Args:
        values: ``(N, C, H, W)`` bytes or floats.
        rows: which of them; by default all.
        source: for messages.

    Raises:
        InputError: for bytes of 0 and 1 alone, which mean something else.
    """
    chosen = torch.arange(len(values)) if rows is None else rows
    count = len(chosen) * values.shape[2] * values.shape[3]
    if values.dtype == torch.uint8:
        often = _histogram(values, chosen)
        if not bool(often[:, 2:].any()):
            raise InputError(
                f"{source}: no byte is above 1; pixels are bytes from 0 to 255, "
                "or floats from 0 to 1"
            )
        levels = torch.arange(256, dtype=torch.float64) / 255
        mean, square = (often @ levels.pow(power) / count for power in (1, 2))
    else:
        mean, square = _moments(values, chosen) / count
    std = (square - mean.square()).clamp(min=0).sqrt()
    std = torch.where(std > 1e-6, std, torch.ones_like(std))
    return tuple(mean.tolist()), tuple(std.tolist())


def _histogram(values: Tensor, rows: Tensor) -> Tensor:
    # (C, 256): how often each channel has each value.
    often = torch.zeros(values.shape[1], 256, dtype=torch.float64)
    for part in rows.split(CHUNK):
        for channel, pixels in enumerate(values[part].unbind(1)):
            often[channel] += torch.bincount(pixels.flatten(), minlength=256)
    return often


def _moments(values: Tensor, rows: Tensor) -> Tensor:
    # (2, C): the sums of the values of each channel and of their squares.
    total = torch.zeros(2, values.shape[1], dtype=torch.float64)
    for part in rows.split(CHUNK):
        pixels = values[part].movedim(1, 0).flatten(1).double()
        total += torch.stack([pixels.sum(1), pixels.square().sum(1)])
    return total
