"""From what is learned to what is shown to networks: parametrisations, as frozen values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from datastill.base.errors import InputError, told
from datastill.base.rng import Key
from datastill.data import ByClass, Domain, ImageSet
from datastill.distillation.parameters import Params


@dataclass(frozen=True, eq=False)
class Synthetic:
    """The synthetic set as a method sees it: a loss may be differentiated in all of its tensors.

    Attributes:
        images: ``(M, C, H, W)``, sorted by class, as networks are trained on them.
        counts: images of each class.
    """

    images: Tensor
    counts: tuple[int, ...]

    @cached_property
    def by_class(self) -> ByClass:
        """The images, each of the class that it was begun as."""
        return ByClass(self.images, self.counts)

    @property
    def labels(self) -> Tensor:
        """The ``(M,)`` classes."""
        return self.by_class.labels

    @property
    def tensors(self) -> list[Tensor]:
        """All that a loss may be differentiated in, in an order that does not change."""
        return [self.images]

    def apart(self) -> Synthetic:
        """Return the same as leaves of their own."""
        return replace(self, images=self.images.detach().requires_grad_())

    def as_set(self, domain: Domain) -> ImageSet:
        """Return it as a set, cut off from what it was made of."""
        return ImageSet(self.images.detach(), self.labels, domain)


class Parametrisation(Protocol):
    """What is learned, and how it is shown: a frozen value."""

    def start(self, images: ByClass, *, key: Key) -> dict[str, Tensor]:
        """Return the parameters that a distillation starts from, by name.

        Args:
            images: that it starts from.
            key: decides what is drawn.
        """
        ...

    def decode(self, params: Params, counts: Sequence[int]) -> Synthetic:
        """Return what networks see, differentiable in the parameters.

        Args:
            params: as ``start`` named them.
            counts: stored images of each class.
        """
        ...

    def project(self, params: Params) -> None:
        """Put parameters back, in place, where a step has led them astray; or do nothing."""
        ...


@dataclass(frozen=True)
class Pixels:
    """The images themselves are learned: one parameter, ``"images"``."""

    def start(self, images: ByClass, *, key: Key) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the images."""
        return {"images": images.images}

    def decode(self, params: Params, counts: Sequence[int]) -> Synthetic:
        """Return the images as they are."""
        return Synthetic(params["images"], tuple(counts))

    def project(self, params: Params) -> None:
        """Leave pixels where they are: synthetic ones may leave ``[0, 1]``."""


def gradients(loss: Tensor, synthetic: Synthetic) -> list[Tensor | None]:
    """Return the gradient of a loss in each tensor of a set, None where it has no part in it."""
    return list(torch.autograd.grad(loss, synthetic.tensors, allow_unused=True))


def require_parametrisation(parametrisation: Any) -> None:
    """Refuse what is no parametrisation.

    Raises:
        InputError: naming what was found.
    """
    parts = (getattr(parametrisation, name, None) for name in ("start", "decode", "project"))
    if isinstance(parametrisation, type) or not all(map(callable, parts)):
        raise InputError(
            "`parametrisation` must be a parametrisation, such as Pixels(), found "
            f"{told(parametrisation)}"
        )
