"""From what is learned to what is shown to networks: parametrisations, as frozen values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, cast, overload

import torch
from torch import Tensor

from datastill.base.errors import InputError, told, whole
from datastill.base.rng import Key
from datastill.data import ByClass, Domain, ImageSet, Tiled, Unfold
from datastill.data.labels import LEARNED
from datastill.distillation.parameters import Params


@dataclass(frozen=True, eq=False)
class Synthetic:
    """The synthetic set as a method sees it: a loss may be differentiated in all of its tensors.

    Attributes:
        images: ``(M, C, H, W)``, sorted by class, as networks are trained on them.
        counts: images of each class.
        stored: those that the images were unfolded from, if they were.
        unfold: how.
        shares: ``(M, K)`` of the classes, of which each row sums to 1, where labels are learned.
        rate: a scalar, the learning rate that networks are to train by, where it is learned.
    """

    images: Tensor
    counts: tuple[int, ...]
    stored: Tensor | None = None
    unfold: Unfold | None = None
    shares: Tensor | None = None
    rate: Tensor | None = None

    @cached_property
    def by_class(self) -> ByClass:
        """The images, each of the class that it was begun as."""
        return ByClass(self.images, self.counts)

    @property
    def labels(self) -> Tensor:
        """The ``(M,)`` classes, or the shares where these are learned."""
        return self.by_class.labels if self.shares is None else self.shares

    @property
    def tensors(self) -> list[Tensor]:
        """All that a loss may be differentiated in, in an order that does not change."""
        return [one for one in (self.images, self.shares, self.rate) if one is not None]

    def apart(self) -> Synthetic:
        """Return the same as leaves of their own."""
        return replace(
            self, images=_leaf(self.images), shares=_leaf(self.shares), rate=_leaf(self.rate)
        )

    def as_set(self, domain: Domain) -> ImageSet:
        """Return it as a set, cut off from what it was made of."""
        images = self.images.detach()
        if self.stored is not None and self.unfold is not None:
            images = Tiled(images, self.stored.detach(), self.unfold)
        facts: Mapping[str, Any] = {}
        if self.shares is not None:
            facts = {
                LEARNED: {"hard_labels": [k for k, n in enumerate(self.counts) for _ in range(n)]}
            }
        if self.rate is not None:
            facts = Facts(facts, self.rate.detach())
        return ImageSet(images, self.labels.detach(), domain, facts)


class Facts(Mapping[str, Any]):
    """The facts of a set whose learning rate was learned: read from its tensor when asked for.

    Whoever looks at every update but not at this does not wait for a GPU.
    """

    def __init__(self, others: Mapping[str, Any], rate: Tensor) -> None:
        self._others, self._rate = others, rate

    def __getitem__(self, name: str) -> Any:
        return float(self._rate) if name == RATE else self._others[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*self._others, RATE))

    def __len__(self) -> int:
        return len(self._others) + 1


RATE = "learning_rate"
"""The fact that says what networks are to train by, see ``training.protocol.Asks``."""


class Parametrisation(Protocol):
    """What is learned, and how it is shown: a frozen value."""

    @property
    def parts(self) -> int:
        """How many images one that is learned holds: so many are picked to start from."""
        ...

    def start(self, images: ByClass, counts: Sequence[int], *, key: Key) -> dict[str, Tensor]:
        """Return the parameters that a distillation starts from, by name.

        Args:
            images: that it starts from: ``parts`` times as many of each class as are learned, or
                noise, which is as many.
            counts: images of each class that are learned.
            key: decides what is drawn.
        """
        ...

    def decode(self, params: Params, counts: Sequence[int], domain: Domain) -> Synthetic:
        """Return what networks see, differentiable in the parameters.

        Args:
            params: as ``start`` named them.
            counts: images of each class that are learned.
            domain: of the images.
        """
        ...

    def project(self, params: Params, domain: Domain) -> None:
        """Put parameters back, in place, where a step has led them astray; or do nothing."""
        ...


@dataclass(frozen=True)
class Pixels:
    """The images themselves are learned: one parameter, ``"images"``."""

    @property
    def parts(self) -> int:
        """One."""
        return 1

    def start(self, images: ByClass, counts: Sequence[int], *, key: Key) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the images."""
        return {"images": images.images}

    def decode(self, params: Params, counts: Sequence[int], domain: Domain) -> Synthetic:  # noqa: ARG002
        """Return the images as they are."""
        return Synthetic(params["images"], tuple(counts))

    def project(self, params: Params, domain: Domain) -> None:
        """Leave pixels where they are: synthetic ones may leave ``[0, 1]``."""


@dataclass(frozen=True)
class Tiles:
    """Images that hold smaller ones are learned: one parameter, ``"images"``.

    They take the bytes of so many images and train as ``factor ** 2`` times as many, each enlarged.
    They start from real images of that number, shrunk.

    Attributes:
        factor: smaller images along a side, from 2.

    Reference:
        Kim et al., Dataset Condensation via Efficient Synthetic-Data Parameterization, ICML 2022.
    """

    factor: int

    def __post_init__(self) -> None:
        whole(2, factor=self.factor)

    @property
    def unfold(self) -> Unfold:
        """How networks are shown them."""
        return Unfold(self.factor)

    @property
    def parts(self) -> int:
        """How many smaller images one holds."""
        return self.unfold.parts

    def start(self, images: ByClass, counts: Sequence[int], *, key: Key) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the images in tiles; those that are as many as are learned as they are."""
        self.unfold.require_fit(images.images.shape[2:])
        if images.counts == tuple(counts):
            return {"images": images.images}
        return {"images": self.unfold.fold(images.images)}

    def decode(self, params: Params, counts: Sequence[int], domain: Domain) -> Synthetic:
        """Return the smaller images, enlarged."""
        stored, unfold = params["images"], self.unfold
        shown = unfold(stored, domain.mean, domain.std)
        return Synthetic(shown, tuple(count * self.parts for count in counts), stored, unfold)

    def project(self, params: Params, domain: Domain) -> None:
        """Leave pixels where they are."""


@overload
def _leaf(tensor: Tensor) -> Tensor: ...
@overload
def _leaf(tensor: None) -> None: ...
def _leaf(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().requires_grad_()


def in_tiles(parametrisation: Parametrisation, factor: int) -> Parametrisation:
    """Return a parametrisation whose images hold ``factor`` x ``factor`` smaller ones; 1 for none.

    Raises:
        InputError: for one that is not of pixels.
    """
    inner = getattr(parametrisation, "images", None)
    if inner is not None and dataclasses.is_dataclass(parametrisation):
        changed: Any = replace(cast(Any, parametrisation), images=in_tiles(inner, factor))
        return changed
    if not isinstance(parametrisation, Pixels | Tiles):
        raise InputError(f"`tiles` have no meaning for {parametrisation}")
    return Pixels() if factor == 1 else Tiles(factor)


def tiles_in(parametrisation: Parametrisation) -> Tiles | None:
    """Return what says how a parametrisation puts smaller images into one, if it does."""
    if isinstance(parametrisation, Tiles):
        return parametrisation
    inner = getattr(parametrisation, "images", None)
    return None if inner is None else tiles_in(inner)


def gradients(loss: Tensor, synthetic: Synthetic) -> list[Tensor | None]:
    """Return the gradient of a loss in each tensor of a set, None where it has no part in it."""
    return list(torch.autograd.grad(loss, synthetic.tensors, allow_unused=True))


def spread(decoded: Synthetic, slopes: Sequence[Tensor | None]) -> None:
    """Leave gradients with what a set was decoded from, given those in its tensors."""
    known = [
        (made, slope)
        for made, slope in zip(decoded.tensors, slopes, strict=True)
        if slope is not None
    ]
    torch.autograd.backward([made for made, _ in known], [slope for _, slope in known])


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
