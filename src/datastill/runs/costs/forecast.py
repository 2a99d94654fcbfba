"""What a run will cost: its terms, from what their parts take on this machine."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from datastill.augment import Policy
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import Route, logits
from datastill.compute.timing import synchronise
from datastill.data import Domain, ImageSet
from datastill.data.pixels import FLOATS_MOST
from datastill.networks import Network, builder
from datastill.training.fit import Fit, Labels, train
from datastill.training.protocol import Protocol

LIBRARIES = 350 * 2**20
"""Bytes of a process that has loaded PyTorch and what this package needs."""

SAMPLE = 128 * 28 * 28
"""Pixels of the images on which rates are measured."""

MOMENT, LONG = 0.2, 0.3
"""Seconds: that a pass there and back shall take, and after which a measurement is not repeated."""

FEW = 10
"""Images of the smallest training step that is timed."""

MOST_NETWORKS = 3
"""Networks that a budget pays for, when they take less than ``SHARE`` of it."""

SHARE = 0.4
MARGIN = 0.92
"""Of the time that is left for updates, what is planned with: clocks waver."""


@dataclass(frozen=True)
class Rates:
    """Seconds for one image of a domain under one architecture, by one route, on this machine.

    Attributes:
        features: forward alone, as in testing.
        weights: and back to the weights, as in training.
        augmented: augmenting the image.
        step: what a training step takes besides its images.
        labelled: asking original models for the labels of the image, where they give them anew.
    """

    features: float
    weights: float
    augmented: float
    step: float
    labelled: float = 0.0


@dataclass(frozen=True)
class Cost:
    """Seconds of the terms that something is made of, in order of appearance.

    >>> cost = Cost({"real images": 0.5, "synthetic images": 0.1})
    >>> round(cost.seconds, 3), cost.largest
    (0.6, 'real images')
    """

    terms: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def seconds(self) -> float:
        """The sum."""
        return sum(self.terms.values())

    @property
    def largest(self) -> str:
        """The name of the largest term."""
        return max(self.terms, key=lambda name: self.terms[name])


def measured(
    model: str,
    domain: Domain,
    policy: Policy,
    route: Route,
    device: torch.device | str = "cpu",
    labels: Labels | None = None,
) -> Rates:
    """Measure the rates of an architecture where it will run, in a few seconds.

    Args:
        model: see ``networks.build``.
        domain: of the images.
        policy: augments.
        route: how images pass the network.
        device: where.
        labels: anew for every batch; None without.
    """
    place = torch.device(device)
    network = builder(model, domain, device)(key=Key(0)).train()
    images = _sample(domain, place, network, route)
    count = len(images)

    def seconds(run: Callable[[], object]) -> float:
        return took(run, place)

    def fitted(n: int, epochs: int) -> Callable[[], None]:
        data = _labelled(images[:n], domain)
        return lambda: train(network, data, Fit(epochs), key=Key(0), route=route)

    weights = seconds(fitted(count, 1)) / count
    asked = (images, _labelled(images, domain).labels, domain, route)
    return Rates(
        features=seconds(lambda: route.over(logits, network, images)) / count,
        weights=weights,
        augmented=seconds(lambda: policy(count, key=Key(0))(images)) / count,
        step=max(seconds(fitted(FEW, 4)) / 4 - FEW * weights, 0.0),
        labelled=0.0 if labels is None else seconds(lambda: labels(*asked)) / count,
    )


def validation(protocol: Protocol, rates: Rates, *, images: int, tested: int) -> Cost:
    """Return what it costs to validate a set by one network, labels on the fly as a term.

    Args:
        protocol: how the network is trained.
        rates: of its architecture.
        images: in the set.
        tested: images of the test set.
    """
    steps = math.ceil(images / protocol.fit.batch)
    epoch = images * rates.weights + steps * rates.step
    if protocol.augmented:
        epoch += images * rates.augmented
    epochs = protocol.fit.epochs
    labels = {"labels": epochs * images * rates.labelled} if rates.labelled else {}
    return Cost({"training": epochs * epoch, **labels, "testing": tested * rates.features})


def held(images: int, domain: Domain) -> float:
    """Return the bytes of so many real images, as floats or, of many, pixels."""
    floats = 4.0 * math.prod(domain.shape) * images
    return floats if floats <= FLOATS_MOST else floats / 4


@dataclass(frozen=True)
class Plan:
    """What fits a budget of time.

    Attributes:
        updates: of the synthetic set.
        networks: to validate it by.
        seconds: that all of it is expected to take.
    """

    updates: int
    networks: int
    seconds: float


def plan(budget: float, *, update: float, network: float, overhead: float, most: int) -> Plan:
    """Share a budget between updates and validation.

    Validation gets up to ``MOST_NETWORKS`` networks while they take less than ``SHARE`` of the
    budget, and one in any case; updates get the rest.

    Args:
        budget: seconds for everything.
        update: seconds for one.
        network: seconds to validate by one.
        overhead: seconds for loading and writing.
        most: updates that are ever wanted.

    Raises:
        InputError: when it does not suffice for one update and one network.

    >>> plan(600, update=0.5, network=60, overhead=12, most=20000)
    Plan(updates=750, networks=3, seconds=567.0)
    """
    networks = min(MOST_NETWORKS, max(1, int(SHARE * budget / network)))
    left = (budget - overhead - networks * network) * MARGIN
    updates = min(most, int(left / update))
    if updates < 1:
        least = (overhead + network + update / MARGIN) / 60
        raise InputError(
            f"{budget / 60:g} minutes are too few here: one update and one network to validate it "
            f"by take {least:.1f}"
        )
    return Plan(updates, networks, overhead + networks * network + updates * update)


def _labelled(images: Tensor, domain: Domain) -> ImageSet:
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    return ImageSet(images, labels, domain)


def _sample(domain: Domain, device: torch.device, network: Network, route: Route) -> Tensor:
    # As many images as a pass there and back takes a moment for: of a large network a few.
    height, width = domain.shape[1:]
    count = max(FEW, SAMPLE // (height * width))
    images = torch.randn(count, *domain.shape, generator=Key(0).generator()).to(device)
    few = _labelled(images[:FEW], domain)
    each = took(lambda: train(network, few, Fit(1), key=Key(0), route=route), device) / FEW
    return images[: max(FEW, min(count, int(MOMENT / max(each, 1e-9))))]


def took(run: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that something takes: the median of a few times, of fewer if long."""
    run()
    synchronise(device)
    found: list[float] = []
    while len(found) < 3 and sum(found) < LONG:
        started = time.perf_counter()
        run()
        synchronise(device)
        found.append(time.perf_counter() - started)
    return statistics.median(found)
