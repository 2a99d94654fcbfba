"""Images that are kept as pixels, in memory or in a file, and normalised as they are taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from datastill.base.rng import moved

FLOATS_MOST = 2**30
"""Bytes that the normalised floats of a set may take; of a larger set only the pixels are kept."""

ATEN: Any = torch.ops.aten


def normalise(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Map ``(..., C, H, W)`` pixels in ``[0, 1]``, or bytes, to ``(pixels - mean) / std``."""
    # In place, for it is the memory of images in between that takes the time.
    images = pixels.float().div_(255) if pixels.dtype == torch.uint8 else pixels.clone()
    centre, scale = moved(torch.tensor([mean, std], dtype=images.dtype), images.device)
    return images.sub_(centre[:, None, None]).div_(scale[:, None, None])


class Pixels(Tensor):
    """Normalised images ``(N, C, H, W)`` of which the pixels are kept: a quarter of the memory.

    It passes for the float tensor that it stands for. Images that are taken from it
    (``pixels[rows]``) are plain tensors; ``split``, ``part`` and ``to`` hand on pixels; any
    other operation begins by normalising all of them.

    Args:
        values: ``(M, C, H, W)`` bytes or floats in ``[0, 1]``; the memory may be a mapped file.
        mean: one per channel.
        std: likewise.
        rows: which of the values, in which order; by default all of them.
    """

    held: Tensor
    normalisation: tuple[Sequence[float], Sequence[float]]
    rows: Tensor | None

    @staticmethod
    def __new__(
        cls: type[Pixels],
        values: Tensor,
        mean: Sequence[float],
        std: Sequence[float],
        rows: Tensor | None = None,
    ) -> Pixels:
        """Make a tensor of the right shape that has no memory of its own."""
        shape = (len(values) if rows is None else len(rows), *values.shape[1:])
        return Tensor._make_wrapper_subclass(  # pyright: ignore[reportAttributeAccessIssue]
            cls, shape, dtype=torch.float32, device=values.device
        )

    def __init__(
        self,
        values: Tensor,
        mean: Sequence[float],
        std: Sequence[float],
        rows: Tensor | None = None,
    ) -> None:
        self.held, self.rows = values, rows
        self.normalisation = (tuple(mean), tuple(std))

    def part(self, rows: Tensor) -> Pixels:
        """Return the images that ``rows`` (indices or booleans) name, kept as they are here."""
        mine = torch.arange(len(self), device=self.device) if self.rows is None else self.rows
        return Pixels(self.held, *self.normalisation, mine[rows])

    def under(self, mean: Sequence[float], std: Sequence[float]) -> Pixels:
        """Return the same images under another normalisation."""
        return Pixels(self.held, mean, std, self.rows)

    def chosen(self) -> Tensor:
        """Return the values of the rows, as they are held."""
        return self.held if self.rows is None else self.held[self.rows]

    def normalised(self) -> Tensor:
        """Return all of them as a plain tensor of floats."""
        return normalise(self.chosen(), *self.normalisation)

    def __repr__(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return f"Pixels({tuple(self.shape)}, {self.held.dtype}, {self.held.device})"

    @classmethod
    def __torch_dispatch__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Do what a tensor can do."""
        if func in KEPT and isinstance(args[0], Pixels):
            return KEPT[func](*args, **(kwargs or {}))
        return func(*tree_map(ready, args), **tree_map(ready, kwargs or {}))


def ready(images: Any) -> Any:
    """Return ``images``, normalised if only their pixels are kept."""
    return images.normalised() if isinstance(images, Pixels) else images


def _index(images: Pixels, indices: Sequence[Tensor | None]) -> Tensor:
    rows, *others = indices
    return (
        images.normalised()[*indices] if others or rows is None else images.part(rows).normalised()
    )


def _select(images: Pixels, dim: int, index: int) -> Tensor:
    if dim != 0:
        return images.normalised().select(dim, index)
    return images.part(torch.tensor([index])).normalised()[0]


def _slice(
    images: Pixels, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    if dim != 0:
        return ATEN.slice.Tensor(images.normalised(), dim, start, end, step)
    return images.part(torch.arange(len(images), device=images.device)[start:end:step])


def _split(images: Pixels, size: int, dim: int = 0) -> Sequence[Tensor]:
    if dim != 0:
        return images.normalised().split(size, dim)
    rows = torch.arange(len(images), device=images.device)
    return [images.part(some) for some in rows.split(size)]


def _moved(images: Pixels, *, device: torch.device | None = None, **others: Any) -> Tensor:
    if others.get("dtype") not in (None, torch.float32):
        return images.normalised().to(device=device, **others)
    rows = None if images.rows is None else images.rows.to(device)
    return Pixels(images.held.to(device), *images.normalisation, rows)


def _detached(images: Pixels) -> Pixels:
    return images.under(*images.normalisation)


KEPT: dict[Any, Callable[..., Any]] = {
    ATEN.index.Tensor: _index,
    ATEN.select.int: _select,
    ATEN.slice.Tensor: _slice,
    ATEN.split.Tensor: _split,
    ATEN._to_copy.default: _moved,
    ATEN.detach.default: _detached,
}
"""What is done to the pixels, and not to the floats that they stand for."""
