"""Labelled images in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datastill.base.errors import InputError, of_kind
from datastill.base.notebooks import of_set
from datastill.base.wording import counted
from datastill.data.domain import Domain, require_same_kind, size_of
from datastill.data.pixels import Part, Pixels
from datastill.data.tiles import tiled, unfolded


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Labelled images: a real set, a subset of one, or a synthetic set.

    It is a map-style dataset: ``len``, and ``data[i]`` is one image and its label.

    Attributes:
        images: ``(N, C, H, W)``, normalised as ``domain`` says; ``Pixels`` where floats of all of
            them would take too much memory, a ``Part`` of other images that are in memory.
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
                f"{tuple(self.images.shape)} images and {counted(len(self.labels), 'label')} "
                f"do not make a set of {self.domain.shape} images"
            )

    def __repr__(self) -> str:
        kind = "hard" if self.labels.ndim == 1 else "soft"
        images = f"{counted(len(self), 'image')} of {size_of(self.domain)}"
        return (
            f"ImageSet({self.domain.name}: {images}, "
            f"{counted(len(self.domain.classes), 'class')}, {kind} labels, {self.images.device})"
        )

    _repr_html_ = of_set

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.images[index], self.labels[index]

    def take(self, rows: Tensor) -> ImageSet:
        """Return the images that ``rows`` (indices or booleans) name, in that order."""
        return self._of(rows, self.images[rows])

    def part(self, rows: Tensor) -> ImageSet:
        """Do what ``take`` does for many rows, and copy no images: see ``Part``."""
        images = self.images
        if type(images) is Tensor and not images.requires_grad:
            images = Part(images)
        return self._of(rows, images.part(rows) if isinstance(images, Part) else images[rows])

    def _of(self, rows: Tensor, images: Tensor) -> ImageSet:
        known = None
        index: Any = rows  # or whatever else a tensor takes: a slice, a list
        if self.digests is not None and isinstance(index, Tensor):
            index = index.numpy() if index.device.type == "cpu" else None  # no GPU is waited for
        if self.digests is not None and index is not None:
            known = self.digests[index]
        return replace(self, images=images, labels=self.labels[rows], digests=known)

    def to(self, device: torch.device | str) -> ImageSet:
        """Return the same set with its tensors on ``device``."""
        moved = replace(self, images=self.images.to(device), labels=self.labels.to(device))
        if "rows_by_class" in vars(self):  # they stay on the CPU: none need be copied from a GPU
            vars(moved)["rows_by_class"] = self.rows_by_class
        return moved

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
        kept = tiled(self.images)
        images = domain.normalise(self.domain.pixels(self.images if kept is None else kept.stored))
        if kept is not None:
            images = unfolded(images, kept.folding, domain.mean, domain.std)
        return replace(self, images=images, domain=domain)

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

    @property
    def stored_counts(self) -> tuple[int, ...]:
        """How many images of each class are kept: of images that hold several, those.

        It is what sets are compared by, for these take the bytes.
        """
        return as_kept(self).counts


def as_kept(data: ImageSet) -> ImageSet:
    """Return a set as it is kept: of images that hold several smaller ones, those."""
    kept = tiled(data.images)
    if kept is None:
        return data
    labels = data.labels[:: kept.folding.parts]
    return replace(data, images=kept.stored, labels=labels, digests=None)


def rows_by_class(labels: Tensor, classes: int) -> tuple[Tensor, ...]:
    """Return for each class the ``(n,)`` indices of its ``(N,)`` labels, in order.

    >>> [rows.tolist() for rows in rows_by_class(torch.tensor([2, 0, 2]), 3)]
    [[1], [], [0, 2]]
    """
    counts = torch.bincount(labels, minlength=classes)
    return torch.argsort(labels, stable=True).split(counts.tolist())
