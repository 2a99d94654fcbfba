"""The real side of the evidence: real images, and what networks make of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from datastill.base.costs import Known, shared
from datastill.base.rng import Key
from datastill.compute.route import Route, Run
from datastill.data import Domain, ImageSet, convert, draw_rows, require_same_kind
from datastill.networks import Network, build, features
from datastill.training.pool import Member, freeze

T = TypeVar("T")

SAMPLE = 30
"""Real images of each class that a set is compared with, at most. Passing them through the pool is
most of what all assessments together cost."""


@dataclass(frozen=True, eq=False)
class Judge:
    """A network in evaluation mode, and what it makes of the real sample.

    Attributes:
        member: an original model, or one that was never trained.
        real: ``(R, D)`` features of the real sample, float64, scaled to a root mean square of 1:
            the members of a pool, and their architectures, then weigh alike.
        scale: what they were divided by.
        known: what was worked out from these.
    """

    member: Member
    real: Tensor
    scale: float
    known: Known = field(init=False, default_factory=lambda: Known(lasting=True))

    @shared
    def distances(self) -> Tensor:
        """The ``(R, R)`` squared distances of real features."""
        return squared_distances(self.real, self.real)


@dataclass(frozen=True, eq=False)
class Reference:
    """The real side of the evidence, worked out once for all the sets that are held against it.

    Attributes:
        train: training images.
        key: decides which real images are looked at, and the weights of fresh networks.
        route: how images pass a network.
        known: what was found out about the real side: here, and by families of assessments.
    """

    train: ImageSet
    key: Key
    route: Route
    known: Known = field(init=False, default_factory=lambda: Known(lasting=True))

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return what ``make`` made of the real side when ``name`` was first asked for."""
        return self.known.once(name, make)

    @shared
    def sample(self) -> ImageSet:
        """At most ``SAMPLE`` training images of each class, sorted by class."""
        rows = torch.cat(draw_rows(self.train, SAMPLE, key=self.key.at("real")))
        return self.train.take(rows.to(self.train.images.device))

    def judge(self, member: Member) -> Judge:
        """Return what a network makes of the real sample.

        Raises:
            InputError: for one that takes images of another kind.
        """
        require_same_kind(member.domain, self.train.domain)
        return self.known.once(member, lambda: self._judge(member))

    def untrained(self, architecture: str, *number: int) -> Member:
        """Return a network as ``fresh_network`` builds it, the same one every time."""

        def make() -> Member:
            network = self.fresh_network(architecture, *number)
            return freeze(network, architecture, self.train.domain, facts={})

        return self.known.once(("untrained", architecture, *number), make)

    def fresh_network(self, architecture: str, *number: int) -> Network:
        """Build a network; what batch norm needs to know of images, it learns from the sample.

        Those of other numbers are others; without one it is the one that scores have looked at
        since there was but one.
        """
        domain, images = self.train.domain, self.sample.images
        network = build(architecture, domain, key=self.key.at("fresh", architecture, *number))
        network = network.to(images.device)
        norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        if norms:
            for norm in norms:
                norm.momentum = None  # the statistics become those of these images, and no mixture
            with torch.no_grad():
                network.train()
                for some in images.split(self.route.at_most(domain.shape)):
                    network(some)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        return network.eval()

    def _judge(self, member: Member) -> Judge:
        images = self.sample.images
        found = passed(features, member, images, self.train.domain, self.route).double()
        scale = max(float(found.square().mean().sqrt()), 1e-12)
        return Judge(member, found / scale, scale)


def passed(through: Run, member: Member, images: Tensor, domain: Domain, route: Route) -> Tensor:
    """Return what a member makes of ``(N, C, H, W)`` images of a domain, without gradients.

    They are shown to it as its own domain has them, some at a time: those may be far larger.
    """
    some = images.split(route.at_most(member.domain.shape))
    shown = (convert(part, domain, member.domain) for part in some)
    return torch.cat([route.over(through, member.network, part) for part in shown])


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return the ``(M, R)`` squared distances of ``(M, D)`` and ``(R, D)`` float64 points.

    Rounding leaves a trace where points coincide; it is set to zero.

    >>> squared_distances(torch.eye(2).double(), torch.eye(2).double()).tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    norms = a.square().sum(1)[:, None] + b.square().sum(1)
    found = norms - 2 * (a @ b.T)
    return torch.where(found > 1e-12 * norms, found, torch.zeros_like(found))
