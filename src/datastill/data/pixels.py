"""Images taken from what is kept: from others, or from pixels, which are normalised then."""

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


class Part(Tensor):
    """Some of the images ``(N, C, H, W)`` of a tensor, in an order, of which none is copied.

    It passes for the tensor that has them. Images that are taken from it (``images[rows]``) are
    plain tensors; ``split`` and ``part`` hand on parts; any other operation begins by copying all
    of them.

    Args:
        held: ``(M, C, H, W)``; the memory may be a mapped file.
        rows: which of them, in which order; by default all.
    """

    held: Tensor
    rows: Tensor | None

    @staticmethod
    def __new__(cls: type[Part], held: Tensor, rows: Tensor | None = None) -> Part:
        """Make a tensor of the right shape that has no memory of its own."""
        return _without_memory(cls, held, rows, held.dtype)

    def __init__(self, held: Tensor, rows: Tensor | None = None) -> None:
        self.held, self.rows = held, rows

    def part(self, rows: Tensor) -> Part:
        """Return the images that ``rows`` (indices or booleans) name, kept as they are here."""
        return self._of(self._mine[rows])

    def chosen(self) -> Tensor:
        """Return the values of the rows, as they are held."""
        return self.held if self.rows is None else self.held[self.rows]

    def normalised(self) -> Tensor:
        """Return all of them as a plain tensor of what this one passes for."""
        return self.chosen()

    @property
    def _mine(self) -> Tensor:
        return torch.arange(len(self), device=self.device) if self.rows is None else self.rows

    def _of(self, rows: Tensor | None) -> Part:
        return Part(self.held, rows)

    def _there(self, device: torch.device | None) -> Tensor:
        # Of what is held elsewhere too no more is put there than is needed.
        return self.chosen().to(device)

    def __deepcopy__(self, memo: Any) -> Tensor:
        """Return a copy of the images alone."""
        return self.chosen().clone()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Let them alone be sent elsewhere."""
        return self.chosen().__reduce_ex__(protocol)

    def __repr__(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        kind = type(self).__name__
        return f"{kind}({tuple(self.shape)}, {self.held.dtype}, {self.held.device})"

    @classmethod
    def __torch_dispatch__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Do what a tensor can do."""
        if func in KEPT and isinstance(args[0], Part):
            return KEPT[func](*args, **(kwargs or {}))
        return func(*tree_map(ready, args), **tree_map(ready, kwargs or {}))


class Pixels(Part):
    """Normalised images ``(N, C, H, W)`` of which the pixels are kept: a quarter of the memory.

    It passes for the float tensor that it stands for, as a ``Part`` does; ``to`` hands on pixels
    too.

    Args:
        values: ``(M, C, H, W)`` bytes or floats in ``[0, 1]``; the memory may be a mapped file.
        mean: one per channel.
        std: likewise.
        rows: which of the values, in which order; by default all of them.
    """

    normalisation: tuple[Sequence[float], Sequence[float]]

    @staticmethod
    def __new__(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls: type[Pixels],
        values: Tensor,
        mean: Sequence[float],
        std: Sequence[float],
        rows: Tensor | None = None,
    ) -> Pixels:
        """Make a tensor of the right shape that has no memory of its own."""
        return _without_memory(cls, values, rows, torch.float32)

    def __init__(
        self,
        values: Tensor,
        mean: Sequence[float],
        std: Sequence[float],
        rows: Tensor | None = None,
    ) -> None:
        super().__init__(values, rows)
        self.normalisation = (tuple(mean), tuple(std))

    def part(self, rows: Tensor) -> Pixels:
        """See ``Part``."""
        return self._of(self._mine[rows])

    def under(self, mean: Sequence[float], std: Sequence[float]) -> Pixels:
        """Return the same images under another normalisation."""
        return Pixels(self.held, mean, std, self.rows)

    def normalised(self) -> Tensor:
        """Return all of them as a plain tensor of floats."""
        return normalise(self.chosen(), *self.normalisation)

    def __deepcopy__(self, memo: Any) -> Tensor:
        """See ``Part``."""
        return Pixels(self.chosen().clone(), *self.normalisation)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """See ``Part``."""
        return Pixels, (self.chosen(), *self.normalisation)

    def _of(self, rows: Tensor | None) -> Pixels:
        return Pixels(self.held, *self.normalisation, rows)

    def _there(self, device: torch.device | None) -> Tensor:
        rows = None if self.rows is None else self.rows.to(device)
        return Pixels(self.held.to(device), *self.normalisation, rows)


def _without_memory(cls: Any, held: Tensor, rows: Tensor | None, dtype: torch.dtype) -> Any:
    shape = (len(held if rows is None else rows), *held.shape[1:])
    return Tensor._make_wrapper_subclass(  # pyright: ignore[reportAttributeAccessIssue]
        cls, shape, dtype=dtype, device=held.device
    )


def ready(images: Any) -> Any:
    """Return ``images`` as a plain tensor, normalised if only their pixels are kept."""
    return images.normalised() if isinstance(images, Part) else images


def _index(images: Part, indices: Sequence[Tensor | None]) -> Tensor:
    rows, *others = indices
    return (
        images.normalised()[*indices] if others or rows is None else images.part(rows).normalised()
    )


def _select(images: Part, dim: int, index: int) -> Tensor:
    if dim != 0:
        return images.normalised().select(dim, index)
    return images.part(torch.tensor([index])).normalised()[0]


def _slice(
    images: Part, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    if dim != 0:
        return ATEN.slice.Tensor(images.normalised(), dim, start, end, step)
    return images.part(torch.arange(len(images), device=images.device)[start:end:step])


def _split(images: Part, size: int, dim: int = 0) -> Sequence[Tensor]:
    if dim != 0:
        return images.normalised().split(size, dim)
    rows = torch.arange(len(images), device=images.device)
    return [images.part(some) for some in rows.split(size)]


def _moved(images: Part, *, device: torch.device | None = None, **others: Any) -> Tensor:
    if others.get("dtype") not in (None, images.dtype):
        return images.normalised().to(device=device, **others)
    return images._there(device)


def _detached(images: Part) -> Part:
    return images._of(images.rows)


KEPT: dict[Any, Callable[..., Any]] = {
    ATEN.index.Tensor: _index,
    ATEN.select.int: _select,
    ATEN.slice.Tensor: _slice,
    ATEN.split.Tensor: _split,
    ATEN._to_copy.default: _moved,
    ATEN.detach.default: _detached,
}
"""What is done to what is kept, and not to the images that it stands for."""
