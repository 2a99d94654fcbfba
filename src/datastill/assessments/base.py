"""What an assessment is, and all that it may see: there is no way to a test set from here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn

from datastill.data import Domain, ImageSet, convert, draw_rows, require_same_kind, require_sound
from datastill.errors import InputError
from datastill.networks import Network, build, features
from datastill.pool import Pool, by_architecture
from datastill.registry import Registry
from datastill.rng import Key
from datastill.route import Route, Run, logits

T = TypeVar("T")

SAMPLE = 50
"""Real images of each class that a set is compared with, at most. Passing them through the pool is
most of what all assessments together cost."""

LEAST_ERROR = 1e-10
"""Mean squared difference of pixels in ``[0, 1]`` below which images count as equal: 100 dB."""


@dataclass(frozen=True)
class Score:
    """What an assessment says of a set, and whether more of it or less is better."""

    value: float
    better: Literal["higher", "lower"]


class Assessment(Protocol):
    """Scores a synthetic set without a test set."""

    def __call__(self, evidence: Evidence) -> Score:
        """Return a finite score that does not depend on the order of the images.

        Raises:
            InputError: when the evidence does not suffice.
        """
        ...


ASSESSMENTS = Registry[Assessment]("assessment")

COSTLY = Registry[Assessment]("costly assessment")
"""Those of ``ASSESSMENTS`` that train networks, and are made only when asked for by name."""


@dataclass(frozen=True, eq=False)
class Judge:
    """A network in evaluation mode, and what it makes of the real sample.

    Attributes:
        network: an original model, or one that was never trained.
        architecture: its name.
        domain: of the images that it takes.
        real: ``(R, D)`` features of the real sample, float64, scaled to a root mean square of 1:
            the members of a pool, and their architectures, then weigh alike.
        scale: what they were divided by.
    """

    network: Network
    architecture: str
    domain: Domain
    real: Tensor
    scale: float

    @cached_property
    def distances(self) -> Tensor:
        """The ``(R, R)`` squared distances of real features."""
        return squared_distances(self.real, self.real)


@dataclass(frozen=True, eq=False)
class View:
    """A synthetic set as one network sees it.

    Attributes:
        judge: the network, and the real sample as it sees it.
        synthetic: ``(M, D)`` features, scaled like the real ones.
    """

    judge: Judge
    synthetic: Tensor

    @property
    def real(self) -> Tensor:
        """The ``(R, D)`` features of the real sample."""
        return self.judge.real

    @cached_property
    def within(self) -> Tensor:
        """The ``(M, M)`` squared distances of synthetic features."""
        return squared_distances(self.synthetic, self.synthetic)

    @cached_property
    def between(self) -> Tensor:
        """The ``(M, R)`` squared distances of synthetic from real features."""
        return squared_distances(self.synthetic, self.real)


@dataclass(frozen=True, eq=False)
class Reference:
    """The real side of the evidence, worked out once for all the sets that are held against it.

    Attributes:
        train: training images.
        pool: original models.
        key: decides which real images are looked at, and the weights of fresh networks.
        route: how images pass a network.
        known: what families of assessments found out about the real side, see ``once``.
    """

    train: ImageSet
    pool: Pool
    key: Key
    route: Route
    known: dict[str, Any] = field(default_factory=dict[str, Any])

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return what ``make`` made of the real side when ``name`` was first asked for."""
        if name not in self.known:
            self.known[name] = make()
        return self.known[name]

    @cached_property
    def sample(self) -> ImageSet:
        """At most ``SAMPLE`` training images of each class, sorted by class."""
        rows = torch.cat(draw_rows(self.train, SAMPLE, key=self.key.at("real")))
        return self.train.take(rows.to(self.train.images.device))

    @cached_property
    def architectures(self) -> tuple[str, ...]:
        """Those of the pool.

        Raises:
            InputError: for an empty pool.
        """
        self._require_pool()
        return tuple(by_architecture(self.pool))

    @cached_property
    def originals(self) -> tuple[Judge, ...]:
        """The members of the pool.

        Raises:
            InputError: for an empty pool, or a member of another kind.
        """
        self._require_pool()
        for member in self.pool:
            require_same_kind(member.domain, self.train.domain)
        return tuple(
            self._judge(member.network, member.architecture, member.domain) for member in self.pool
        )

    @cached_property
    def fresh(self) -> tuple[Judge, ...]:
        """One network of each architecture of the pool, with its initial weights."""
        return tuple(
            self._judge(self.fresh_network(name), name, self.train.domain)
            for name in self.architectures
        )

    def fresh_network(self, architecture: str) -> Network:
        """Build a network; what batch norm needs to know of images, it learns from the sample."""
        domain, images = self.train.domain, self.sample.images
        network = build(architecture, domain, key=self.key.at("fresh", architecture))
        network = network.to(images.device)
        norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        if norms:
            for norm in norms:
                norm.momentum = None  # the statistics become those of this batch, and no mixture
            with torch.no_grad():
                network.train()(images)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        return network.eval()

    def _require_pool(self) -> None:
        if not self.pool:
            raise InputError("this assessment needs a pool of at least one original model")

    def _judge(self, network: Network, architecture: str, domain: Domain) -> Judge:
        images = convert(self.sample.images, self.train.domain, domain)
        found = self.route.over(features, network, images).double()
        scale = max(float(found.square().mean().sqrt()), 1e-12)
        return Judge(network, architecture, domain, found / scale, scale)


@dataclass(frozen=True, eq=False)
class Evidence:
    """A synthetic set and all that it may be judged by: no test set is among it.

    What assessments share is worked out once, when the first of them asks.

    Attributes:
        synthetic: the set to score.
        train: the training images that it stands for.
        pool: original models, trained on them.
        key: decides which real images are looked at, and the weights of fresh networks.
        route: how images pass a network.

    Raises:
        InputError: for a set without images, of another kind than the training images, or with
            values that are not finite numbers.
    """

    synthetic: ImageSet
    train: ImageSet
    pool: Pool
    key: Key
    route: Route = field(default_factory=Route)

    def __post_init__(self) -> None:
        for data, source in ((self.synthetic, "synthetic set"), (self.train, "training set")):
            if not len(data):
                raise InputError(f"the {source} has no images")
        require_same_kind(self.synthetic.domain, self.train.domain)
        require_sound(self.synthetic, "the synthetic set")

    def of(self, synthetic: ImageSet) -> Evidence:
        """Return the evidence about another set, sharing what is known of the real side."""
        other = replace(self, synthetic=synthetic)
        vars(other)["reference"] = self.reference
        return other

    @cached_property
    def reference(self) -> Reference:
        """The real side."""
        return Reference(self.train, self.pool, self.key, self.route)

    @cached_property
    def judged(self) -> ImageSet:
        """The synthetic set, normalised as the training images are, in an order of its own.

        Sorted by class and brightness, so that the order in which images came changes nothing.
        """
        data = self.synthetic.under(self.train.domain)
        brightness = data.images.flatten(1).double().mean(1)
        order = brightness.argsort(stable=True)
        return data.take(order[data.hard_labels[order].argsort(stable=True)])

    @cached_property
    def originals(self) -> tuple[View, ...]:
        """What each member of the pool sees."""
        return tuple(self._view(judge) for judge in self.reference.originals)

    @cached_property
    def fresh(self) -> tuple[View, ...]:
        """What an untrained network of each architecture of the pool sees."""
        return tuple(self._view(judge) for judge in self.reference.fresh)

    @cached_property
    def pairs(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """Rows of ``judged`` and of the real sample, for each class that has real images.

        For a class that the synthetic set lacks, the whole set stands in: it is what a network
        that learns from the set knows of that class.
        """
        everything = torch.arange(len(self.judged))
        both = zip(self.judged.rows_by_class, self.reference.sample.rows_by_class, strict=True)
        return tuple((s if len(s) else everything, r) for s, r in both if len(r))

    @cached_property
    def copies(self) -> Tensor:
        """``(M, R)`` booleans: which images of ``judged`` are which of the real sample, unchanged.

        A subset of the training images may share some with the sample; to be near those, or to
        classify them, is nothing to its credit.
        """
        synthetic, real = (
            self.train.domain.pixels(data.images).double().flatten(1)
            for data in (self.judged, self.reference.sample)
        )
        return squared_distances(synthetic, real) <= LEAST_ERROR * synthetic.shape[1]

    @cached_property
    def logits(self) -> Tensor:
        """``(P, M, K)``, float64: what each member of the pool says of each image."""
        return torch.stack([self._seen(judge, logits) for judge in self.reference.originals])

    def _view(self, judge: Judge) -> View:
        return View(judge, self._seen(judge, features) / judge.scale)

    def _seen(self, judge: Judge, through: Run) -> Tensor:
        images = convert(self.judged.images, self.train.domain, judge.domain)
        found = self.route.over(through, judge.network, images).double()
        if not bool(torch.isfinite(found).all()):
            raise InputError(
                f"a {judge.architecture} gives values that are not finite numbers "
                "for the synthetic set; are its pixels out of all bounds?"
            )
        return found


def mean(values: Iterable[float]) -> float:
    """Average, with sums that do not depend on the order."""
    found = list(values)
    return math.fsum(found) / len(found)


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return the ``(M, R)`` squared distances of ``(M, D)`` and ``(R, D)`` float64 points.

    Rounding leaves a trace where points coincide; it is set to zero.

    >>> squared_distances(torch.eye(2).double(), torch.eye(2).double()).tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    norms = a.square().sum(1)[:, None] + b.square().sum(1)
    found = norms - 2 * (a @ b.T)
    return torch.where(found > 1e-12 * norms, found, torch.zeros_like(found))
