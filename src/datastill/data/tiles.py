"""Several small images in one that is stored, and how they are unfolded before use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.base.errors import InputError, is_number, told, whole
from datastill.base.rng import moved
from datastill.data.pixels import Pixels


@dataclass(frozen=True)
class Unfold:
    """How stored images become those that networks are trained on.

    Each is cut into ``factor`` x ``factor`` parts, which are enlarged to the size of the whole.

    Attributes:
        factor: parts along a side, from 2.
        interpolation: by which they are enlarged.
        padding: the pixel that fills up, at its end, a side that the factor does not divide.

    Reference:
        Kim et al., Dataset Condensation via Efficient Synthetic-Data Parameterization, ICML 2022.
    """

    factor: int
    interpolation: Literal["bilinear", "nearest"] = "bilinear"
    padding: float = 0.5

    def __post_init__(self) -> None:
        whole(2, factor=self.factor)
        if self.interpolation not in ("bilinear", "nearest"):
            said = told(self.interpolation)
            raise InputError(f"`interpolation` must be bilinear or nearest, found {said}")
        if not (is_number(self.padding) and 0 <= self.padding <= 1):
            raise InputError(f"`padding` must be a pixel from 0 to 1, found {told(self.padding)}")

    @classmethod
    def of(cls, record: object) -> Unfold:
        """Return what a file says.

        Raises:
            InputError: when that makes no sense.

        >>> Unfold.of({"factor": 2, "interpolation": "bilinear", "padding": 0.5}).parts
        4
        """
        if not isinstance(record, Mapping) or set(record) != set(cls.__dataclass_fields__):
            raise InputError(f"how to unfold its images is said by {told(record)}")
        values: dict[str, Any] = {str(name): value for name, value in record.items()}
        if not isinstance(values["interpolation"], str):
            raise InputError(f"`interpolation` is {told(values['interpolation'])}, not a name")
        return cls(**values)

    @property
    def parts(self) -> int:
        """How many images a stored one holds."""
        return self.factor**2

    def require_fit(self, sides: Sequence[int]) -> None:
        """Refuse images of a height and a width that do not hold so many.

        Raises:
            InputError: saying so.
        """
        if self.factor > min(sides):
            said = "x".join(map(str, sides))
            raise InputError(
                f"images of {said} do not hold {self.factor} a side, but {min(sides)} at most"
            )

    def sizes(self, sides: Sequence[int]) -> tuple[int, int]:
        """Return height and width of a part of an image of this height and width."""
        high, wide = (-(-side // self.factor) for side in sides)
        return high, wide

    def __call__(self, images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
        """Unfold normalised images, differentiably.

        Args:
            images: ``(N, C, H, W)``.
            mean: of their normalisation, one per channel: it tells what the padding is.
            std: likewise.

        Returns:
            ``(N * parts, C, H, W)``: the parts of the first image in reading order, then those of
            the second.
        """
        count, channels, *sides = images.shape
        high, wide = self.sizes(sides)
        filled, factor = images, self.factor
        if (high * factor, wide * factor) != tuple(sides):
            rows = [(self.padding - m) / s for m, s in zip(mean, std, strict=True)]
            grey = moved(torch.tensor(rows, dtype=images.dtype)[:, None, None], images.device)
            whole_size = (count, channels, high * factor, wide * factor)
            inside = images.new_ones(1, 1, *sides)
            inside = F.pad(inside, (0, wide * factor - sides[1], 0, high * factor - sides[0]))
            padded = F.pad(images, (0, wide * factor - sides[1], 0, high * factor - sides[0]))
            filled = (padded + (1 - inside) * grey).reshape(whole_size)
        parts = filled.reshape(count, channels, factor, high, factor, wide)
        parts = parts.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, high, wide)
        if self.interpolation == "nearest":
            return F.interpolate(parts, size=tuple(sides), mode="nearest")
        return F.interpolate(parts, size=tuple(sides), mode="bilinear", align_corners=False)

    def fold(self, images: Tensor) -> Tensor:
        """Shrink images, and put ``parts`` of them at a time into one.

        Args:
            images: ``(N * parts, C, H, W)``.

        Returns:
            ``(N, C, H, W)``; where the factor does not divide a side, the last parts are cut.
        """
        channels, *sides = images.shape[1:]
        high, wide = self.sizes(sides)
        small = F.interpolate(
            images, size=(high, wide), mode="bilinear", align_corners=False, antialias=True
        )
        rows = small.reshape(-1, self.factor, self.factor, channels, high, wide)
        whole_images = rows.permute(0, 3, 1, 4, 2, 5).reshape(
            -1, channels, high * self.factor, wide * self.factor
        )
        return whole_images[:, :, : sides[0], : sides[1]].contiguous()


class Tiled(Tensor):
    """Unfolded images ``(N * parts, C, H, W)`` that remember what they were unfolded from.

    A plain tensor to everybody else: whatever is done to it, taking some of the images say, gives
    plain tensors, which remember nothing. See ``tiled``.

    Attributes:
        stored: ``(N, C, H, W)``, normalised likewise: the bytes that a set takes.
        folding: how they became these.
        version: of the numbers, when they were.
    """

    stored: Tensor
    folding: Unfold
    version: int

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls: type[Tiled], images: Tensor, stored: Tensor, unfold: Unfold) -> Tiled:
        """Return the images as those of ``stored``."""
        made = images.as_subclass(cls)
        made.stored, made.folding, made.version = stored, unfold, made._version
        return made

    def to(self, *args: Any, **kwargs: Any) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the same elsewhere."""
        there = super().to(*args, **kwargs)
        return Tiled(there, self.stored.to(*args, **kwargs), self.folding)

    def __deepcopy__(self, memo: Any) -> Tiled:
        """Return copies of both."""
        return Tiled(self.detach().clone(), self.stored.clone(), self.folding)


def unfolded(stored: Tensor, unfold: Unfold, mean: Sequence[float], std: Sequence[float]) -> Tiled:
    """Return the images that networks are trained on; see ``Unfold``."""
    unfold.require_fit(stored.shape[2:])
    return Tiled(unfold(stored, mean, std), stored, unfold)


def tiled(images: Tensor) -> Tiled | None:
    """Return images if they are what stored ones were unfolded to, and were not changed since."""
    return images if isinstance(images, Tiled) and images._version == images.version else None


def stored_labels(images: Tensor, labels: Tensor) -> Tensor:
    """Return labels as they are kept: one for each stored image, where those of its parts agree."""
    kept = tiled(images)
    if kept is None:
        return labels
    first = labels[:: kept.folding.parts]
    same = torch.equal(first.repeat_interleave(kept.folding.parts, 0), labels)
    return first if same else labels


def stored_bytes(images: Tensor) -> int:
    """Return the bytes that images take where they are kept."""
    if (tiles := tiled(images)) is not None:
        return tiles.stored.nbytes
    return images.numel() if isinstance(images, Pixels) else images.nbytes
