"""Labelled images in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from datastill.base.errors import InputError, in_plain, is_number, is_whole, of_kind, told, truth
from datastill.base.rng import Key, moved
from datastill.base.wording import counted
from datastill.data.pixels import Pixels

UNNAMED = "imported"
"""The name of a domain where nobody said whose images a set imitates."""


def _several(name: str, values: Any) -> tuple[Any, ...]:
    if (
        isinstance(values, str | bytes | Mapping)
        or not isinstance(values, Iterable)
        or not getattr(values, "ndim", 1)
    ):
        raise InputError(f"`{name}` must be a tuple, found {told(values)}")
    return tuple(values)


@dataclass(frozen=True)
class Domain:
    """What all images of one source share.

    Attributes:
        name: of the dataset.
        shape: channels, height and width of an image.
        classes: their names, in the order of the labels.
        mean: one per channel, subtracted from pixels in ``[0, 1]``.
        std: one per channel, divided by after that.
        mirror: whether an image seen in a mirror still shows its class. It decides whether
            augmentation may flip: clothes yes, digits no.
    """

    name: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mirror: bool = True

    def __post_init__(self) -> None:
        for name in ("shape", "classes", "mean", "std"):
            object.__setattr__(self, name, _several(name, getattr(self, name)))
        of_kind(str, "the name of the dataset", name=self.name)
        for known in self.classes:
            of_kind(str, "a tuple of names", classes=known)
        truth(mirror=self.mirror)
        if len(self.shape) != 3 or not all(is_whole(side) and side > 0 for side in self.shape):
            raise InputError(f"images of shape {self.shape}, not (channels, height, width)")
        if not len(self.mean) == len(self.std) == self.shape[0]:
            raise InputError(
                f"{len(self.mean)} means, {len(self.std)} stds, {self.shape[0]} channels"
            )
        numbers = (*self.mean, *self.std)
        if not all(map(is_number, numbers)) or min(self.std) <= 0:
            raise InputError(f"a normalisation by mean {self.mean} and std {self.std}")
        for name in ("shape", "mean", "std"):
            object.__setattr__(self, name, tuple(map(in_plain, getattr(self, name))))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Map ``(..., C, H, W)`` pixels in ``[0, 1]`` to ``(pixels - mean) / std``."""
        mean, std = self._statistics(pixels)
        return (pixels - mean).div_(std)  # in place: a second large tensor costs more than sums

    def pixels(self, images: Tensor) -> Tensor:
        """Undo ``normalise``; synthetic images may leave ``[0, 1]``."""
        mean, std = self._statistics(images)
        return images * std + mean

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        values = torch.tensor([self.mean, self.std], dtype=like.dtype)
        mean, std = moved(values[:, :, None, None], like.device)
        return mean, std


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Labelled images: a real set, a subset of one, or a synthetic set.

    It is a map-style dataset: ``len``, and ``data[i]`` is one image and its label.

    Attributes:
        images: ``(N, C, H, W)``, normalised as ``domain`` says; ``Pixels`` where floats of all of
            them would take too much memory.
        labels: ``(N,)`` int64, or ``(N, K)`` float: soft labels.
        domain: what the images share.
        facts: where the set comes from: how it was made, by which version, how it did.
        digests: ``(N,)`` numbers by which images that were read are known again, see ``identity``;
            None of others, and of some that were chosen by rows on a device.
    """

    images: Tensor
    labels: Tensor
    domain: Domain
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    digests: NDArray[np.uint64] | None = None

    def __post_init__(self) -> None:
        of_kind(Tensor, "a tensor", images=self.images, labels=self.labels)
        of_kind(Domain, "a Domain", domain=self.domain)
        of_kind(Mapping, "a dict", facts=self.facts)
        if self.digests is not None:
            of_kind(np.ndarray, "an array of digests, or None", digests=self.digests)
            if self.digests.shape != self.images.shape[:1] or self.digests.dtype != np.uint64:
                raise InputError("`digests` must be an array of (N,) uint64, one for each image")
        if not self.labels.ndim:
            raise InputError("`labels` must be a tensor of labels, found a single number")
        if tuple(self.images.shape[1:]) != self.domain.shape or len(self.images) != len(
            self.labels
        ):
            raise InputError(
                f"{tuple(self.images.shape)} images and {len(self.labels)} labels "
                f"do not make a set of {self.domain.shape} images"
            )

    def __repr__(self) -> str:
        kind = "hard" if self.labels.ndim == 1 else "soft"
        return (
            f"ImageSet({self.domain.name}: {counted(len(self), 'image')} of {_size(self.domain)}, "
            f"{len(self.domain.classes)} classes, {kind} labels, {self.images.device})"
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.images[index], self.labels[index]

    def take(self, rows: Tensor) -> ImageSet:
        """Return the images that ``rows`` (indices or booleans) name, in that order."""
        return self._of(rows, self.images[rows])

    def part(self, rows: Tensor) -> ImageSet:
        """Do what ``take`` does for many rows: images that are kept as pixels stay so."""
        if not isinstance(self.images, Pixels):
            return self.take(rows)
        return self._of(rows, self.images.part(rows))

    def _of(self, rows: Tensor, images: Tensor) -> ImageSet:
        known = None
        index: Any = rows  # or whatever else a tensor takes: a slice, a list
        if isinstance(index, Tensor):
            index = index.numpy() if index.device.type == "cpu" else None  # no GPU is waited for
        if self.digests is not None and index is not None:
            known = self.digests[index]
        return replace(self, images=images, labels=self.labels[rows], digests=known)

    def to(self, device: torch.device | str) -> ImageSet:
        """Return the same set with its tensors on ``device``."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def under(self, domain: Domain) -> ImageSet:
        """Return the same images normalised as another domain says.

        Raises:
            InputError: when shape or classes differ, so that no normalisation would help.
        """
        of_kind(Domain, "the domain of a set (`data.domain`)", domain=domain)
        require_same_kind(self.domain, domain)
        if (self.domain.mean, self.domain.std) == (domain.mean, domain.std):
            return replace(self, domain=domain)
        if isinstance(self.images, Pixels):
            return replace(self, images=self.images.under(domain.mean, domain.std), domain=domain)
        return replace(
            self, images=domain.normalise(self.domain.pixels(self.images)), domain=domain
        )

    @property
    def hard_labels(self) -> Tensor:
        """The ``(N,)`` labels; of soft ones, the likeliest class."""
        return self.labels if self.labels.ndim == 1 else self.labels.argmax(1)

    @property
    def shares(self) -> Tensor:
        """The ``(N, K)`` labels as shares of the classes; hard ones are all of one class."""
        if self.labels.ndim == 2:
            return self.labels
        classes = torch.arange(len(self.domain.classes), device=self.labels.device)
        return (self.labels[:, None] == classes).to(self.images.dtype)

    @cached_property
    def rows_by_class(self) -> tuple[Tensor, ...]:
        """For each class the ``(n,)`` indices of its images, on the CPU, in order."""
        return rows_by_class(self.hard_labels.cpu(), len(self.domain.classes))

    @property
    def counts(self) -> tuple[int, ...]:
        """How many images each class has."""
        return tuple(len(rows) for rows in self.rows_by_class)


@dataclass(frozen=True, eq=False, repr=False)
class ByClass:
    """Images sorted by class: what a method sees of real and of synthetic ones.

    Attributes:
        images: ``(M, C, H, W)``, the first class first.
        counts: images of each class, zero for an absent one; ``M = sum(counts)``.
    """

    images: Tensor
    counts: tuple[int, ...]

    def __repr__(self) -> str:
        return f"ByClass({tuple(self.images.shape)} images, counts={self.counts})"

    @cached_property
    def labels(self) -> Tensor:
        """The ``(M,)`` labels."""
        counts = torch.tensor(self.counts)
        classes = torch.arange(len(counts)).repeat_interleave(counts, output_size=sum(self.counts))
        return moved(classes, self.images.device)

    def split(self) -> tuple[Tensor, ...]:
        """Return the images of each class, ``(counts[k], C, H, W)``."""
        return self.images.split(self.counts)

    def means(self, features: Tensor) -> Tensor:
        """Average ``(M, D)`` features over each class: ``(K, D)``, one matrix product.

        The mean of an absent class is zero.

        >>> four = ByClass(torch.zeros(4, 1, 1, 1), counts=(1, 3, 0))
        >>> four.means(torch.tensor([[5.0], [1.0], [2.0], [3.0]])).flatten().tolist()
        [5.0, 2.0, 0.0]
        """
        member = F.one_hot(self.labels, len(self.counts)).T.to(features)
        return (member @ features) / member.sum(1, keepdim=True).clamp(min=1)


def draw_rows(data: ImageSet, n: int | Sequence[int], *, key: Key) -> list[Tensor]:
    """Draw different images of every class: ``n``, or ``n[k]`` of class ``k``, as rows.

    A class that has fewer gives all it has.
    """
    wanted = [n] * len(data.domain.classes) if isinstance(n, int) else list(n)
    rng = key.generator()
    return [
        members[torch.randperm(len(members), generator=rng)[:count]]
        for members, count in zip(data.rows_by_class, wanted, strict=True)
    ]


def rows_by_class(labels: Tensor, classes: int) -> tuple[Tensor, ...]:
    """Return for each class the ``(n,)`` indices of its ``(N,)`` labels, in order.

    >>> [rows.tolist() for rows in rows_by_class(torch.tensor([2, 0, 2]), 3)]
    [[1], [], [0, 2]]
    """
    counts = torch.bincount(labels, minlength=classes)
    return torch.argsort(labels, stable=True).split(counts.tolist())


def draw_share(by_class: Sequence[Tensor], share: float, *, key: Key) -> Tensor:
    """Draw a share of every class, as ``(N,)`` booleans.

    Args:
        by_class: the rows of each class, see ``rows_by_class``.
        share: to draw of them: above 0, at least one row, but never the last.
        key: decides which.
    """
    if not (is_number(share) and 0 <= share <= 1):
        raise InputError(f"a share is from 0 to 1, found {told(share)}")
    chosen = torch.zeros(sum(map(len, by_class)), dtype=torch.bool)
    for k, rows in enumerate(by_class):
        order = torch.randperm(len(rows), generator=key.at(k).generator())
        chosen[rows[order[: _share(len(rows), share)]]] = True
    return chosen


def sample_per_class(data: ImageSet, n: int | Sequence[int], *, key: Key) -> ByClass:
    """Draw images as ``draw_rows`` does, and return them."""
    rows = draw_rows(data, n, key=key)
    index = moved(torch.cat(rows), data.images.device)
    return ByClass(data.images[index], tuple(len(chosen) for chosen in rows))


def require_same_kind(found: Domain, expected: Domain) -> None:
    """Refuse to mix images of different shape or classes.

    Raises:
        InputError: naming both.
    """
    if found.shape != expected.shape:
        raise InputError(
            f"{found.name} has images of {_size(found)}, but {expected.name} has {_size(expected)}"
        )
    if found.classes != expected.classes:
        raise InputError(
            f"{found.name} has {len(found.classes)} classes ({_some(found.classes)}), "
            f"but {expected.name} has {len(expected.classes)} ({_some(expected.classes)})"
        )


def require_held(
    real: ImageSet, counts: Sequence[int], hint: str = "", purpose: str = "be picked"
) -> None:
    """Refuse to take more images of a class than there are.

    Args:
        real: images to pick from.
        counts: how many of each class.
        hint: what a person can do about it.
        purpose: what they are to do.

    Raises:
        InputError: naming the first class that has too few, or when there is not one number for
            each class.
    """
    classes, end = real.domain.classes, f"; {hint}" if hint else ""
    if len(counts) != len(classes):
        raise InputError(f"{counted(len(counts), 'number')} of images for {len(classes)} classes")
    for k, (have, want) in enumerate(zip(real.counts, counts, strict=True)):
        if want > have:
            raise InputError(f"{said_of_class(real, k)} fewer than the {want} to {purpose}{end}")


def said_of_class(real: ImageSet, number: int) -> str:
    """Say how few images a class has, as who keeps them sees it: those for tests counted."""
    name, have = real.domain.classes[number], real.counts[number]
    kept = dict(enumerate(real.facts.get("kept_of_classes") or ())).get(number, 0)
    if not kept:
        return f"class {name!r} has {counted(have, 'real image')},"
    return (
        f"class {name!r} has {counted(have + kept, 'real image')}, of which {kept} "
        f"{_are(kept)} kept for tests: {have} {_are(have)}"
    )


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def require_sound(data: ImageSet, source: str) -> ImageSet:
    """Return ``data`` if every label is a class and every pixel a finite number.

    Tensors on the device ``meta`` have no numbers to look at.

    Raises:
        InputError: naming ``source`` and what is wrong with it.
    """
    classes = len(data.domain.classes)
    if data.labels.ndim == 2 and data.labels.shape[1] != classes:
        raise InputError(f"{source}: soft labels of {data.labels.shape[1]} classes, not {classes}")
    hard = data.labels.ndim == 1 and data.labels.dtype == torch.int64
    if not hard and not (data.labels.ndim == 2 and data.labels.is_floating_point()):
        shape, kind = tuple(data.labels.shape), str(data.labels.dtype).removeprefix("torch.")
        raise InputError(
            f"{source}: labels of shape {shape} and type {kind} are neither classes "
            "(N, int64) nor shares of them (N, K, float)"
        )
    if hard and len(data) and not data.labels.is_meta:
        low, high = int(data.labels.min()), int(data.labels.max())
        if low < 0 or high >= classes:
            found = low if low < 0 else high
            raise InputError(f"{source}: label {found} is outside the classes 0 to {classes - 1}")
    for tensor, what in ((data.images, "images"), (data.labels, "labels")):
        if isinstance(tensor, Pixels) or tensor.is_meta:
            continue  # pixels were looked at when they were read
        if tensor.is_floating_point() and not _finite(tensor):
            raise InputError(f"{source}: {what} hold values that are not finite numbers")
    return data


def require_given(data: ImageSet, source: str) -> None:
    """Refuse a set from Python that holds nothing, is not sound, or that no network takes.

    Raises:
        InputError: naming ``source`` and what is wrong with it.
    """
    if not len(data):
        raise InputError(f"{source}: not a single image")
    if any(tensor.layout != torch.strided for tensor in (data.images, data.labels)):
        raise InputError(f"{source}: a sparse tensor; pass it by `.to_dense()`")
    if data.images.dtype != torch.float32:
        found = str(data.images.dtype).removeprefix("torch.")
        floats = data.images.is_floating_point()
        way = "; pass `images.float()`" if floats else "; from_arrays makes a set of pixels"
        raise InputError(f"{source}: images are {found}, not float32{way}")
    require_sound(data, source)


def unnormalised(domain: Domain) -> Domain:
    """Return the same domain with pixels as they are: mean 0 and std 1."""
    zeros, ones = (0.0,) * domain.shape[0], (1.0,) * domain.shape[0]
    return replace(domain, mean=zeros, std=ones)


def convert(images: Tensor, found: Domain, wanted: Domain) -> Tensor:
    """Show images of one domain as another has them, differentiably.

    Args:
        images: ``(N, C, H, W)``, normalised as ``found`` says.
        found: their domain.
        wanted: the other; grey is repeated over its channels, colours are averaged to grey, the
            size is changed by bilinear interpolation, the normalisation is exchanged.

    Returns:
        ``(N, *wanted.shape)``.

    Raises:
        InputError: when the channels of one are neither those of the other, nor one, nor averaged
            to one.
    """
    same = (found.shape, found.mean, found.std) == (wanted.shape, wanted.mean, wanted.std)
    if same:
        return images
    pixels, channels = found.pixels(images), wanted.shape[0]
    if pixels.shape[1] != channels:
        if channels != 1 and pixels.shape[1] != 1:
            raise InputError(
                f"{found.name} has {pixels.shape[1]} channels, {wanted.name} {channels}; "
                "only grey images can stand in for others"
            )
        pixels = pixels.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    if pixels.shape[2:] != wanted.shape[1:]:
        pixels = F.interpolate(
            pixels, wanted.shape[1:], mode="bilinear", align_corners=False, antialias=True
        )
    return wanted.normalise(pixels)


def _finite(tensor: Tensor) -> bool:
    # The extremes of numbers among which one is none, are none: no mask as large as the images.
    return not tensor.numel() or bool(torch.isfinite(torch.stack(tensor.aminmax())).all())


def _share(n: int, share: float) -> int:
    return min(max(1, round(share * n)), max(n - 1, 0)) if share > 0 else 0


def _size(domain: Domain) -> str:
    return "x".join(str(side) for side in domain.shape)


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
