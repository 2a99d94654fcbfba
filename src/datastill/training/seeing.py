"""Original models as functions of images: their logits, their features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.compute.route import Route, Run, logits
from datastill.data import Domain, ImageSet, convert, require_same_kind
from datastill.data.pixels import ready
from datastill.networks import features
from datastill.training.pool import Member

Teacher = Callable[[Tensor], Tensor]

ENCODED = 64
"""Images that a member encodes at once: those of a backbone are larger than those of a set."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A member of a pool as a function of images of a domain, in bounded memory.

    Attributes:
        through: what it says of them: logits, or features.
        member: which.
        domain: of the images, which are shown to the member as its own domain has them.
        route: how they pass it.
    """

    through: Run
    member: Member
    domain: Domain
    route: Route

    def __call__(self, images: Tensor) -> Tensor:
        """Return what the member says of ``(N, C, H, W)`` images, differentiable in these."""
        network = self.member.network

        def see(some: Tensor) -> Tensor:
            shown = convert(some, self.domain, self.member.domain)
            return self.route.run(self.through, network, shown)

        return self.route.in_turns(see, images, network, self.member.domain.shape)

    def tracking(self, images: int | None) -> Seen:
        """Return the same that keeps the way of so many images at once, see ``Route.tracked``."""
        return replace(self, route=replace(self.route, tracked=images))


def features_of(member: Member, data: ImageSet) -> Tensor:
    """Return the ``(N, D)`` features of a set's images, which may be of another domain."""
    parts = data.images.split(ENCODED)
    encode = encoder(member, data.domain)
    with torch.no_grad():
        return torch.cat([encode(ready(part)) for part in parts])


def teacher(member: Member, domain: Domain, *, route: Route | None = None) -> Teacher:
    """Return the member as a function of images that are normalised as ``domain`` says.

    Images are re-normalised for a member that was trained under another normalisation.

    Raises:
        InputError: when the member was trained on images of another shape or other classes.
    """
    try:
        require_same_kind(member.domain, domain)
    except InputError as error:
        raise InputError(
            f"this {member.architecture} cannot teach {domain.name}: {error}"
        ) from None
    return Seen(logits, member, domain, (route or Route()).exact)


def encoder(member: Member, domain: Domain, *, route: Route | None = None) -> Teacher:
    """Return the member's features of images that are normalised as ``domain`` says.

    The member may come from another dataset: images are resized and re-normalised for it.

    Raises:
        InputError: when the channels cannot be matched.
    """
    convert(torch.zeros(1, *domain.shape), domain, member.domain)
    return Seen(features, member, domain, (route or Route()).exact)
