"""What a run will cost: its terms, from what their parts take on this machine."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from datastill.augment import Policy, siamese
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.compute.timing import synchronise
from datastill.data import ByClass, Domain, ImageSet
from datastill.data.losses import gradient_distance
from datastill.data.pixels import FLOATS_MOST
from datastill.distillation.methods import Method
from datastill.distillation.methods.distribution_matching import DistributionMatching
from datastill.distillation.methods.gradient_matching import (
    GradientMatching,
    real_gradient,
    synthetic_gradient,
)
from datastill.networks import Network, builder, features
from datastill.training.fit import Fit, train
from datastill.training.protocol import Protocol

LIBRARIES = 450 * 2**20
"""Bytes of a process that has loaded PyTorch and what this package needs."""

SAMPLE = 128 * 28 * 28
"""Pixels of the images on which rates are measured."""

MOMENT, LONG = 0.2, 0.3
"""Seconds: that a pass there and back shall take, and after which a measurement is not repeated."""

FEW = 10
"""Synthetic images of a class on which the rate of DC's second derivative is measured."""

MOST_NETWORKS = 3
"""Networks that a budget pays for, when they take less than ``SHARE`` of it."""

SHARE = 0.4
MARGIN = 0.92
"""Of the time that is left for updates, what is planned with: clocks waver."""


@dataclass(frozen=True)
class Rates:
    """Seconds for one image of a domain under one architecture, by one route, on this machine.

    Attributes:
        features: forward alone: a real image of DM, or testing.
        pixels: and back to the image: a synthetic image of DM, or of CLOM.
        weights: and back to the weights: a real image of DC, or a training step.
        matched: the same for a synthetic image of DC, differentiated once more.
        augmented: drawing the image and augmenting it.
        network: making a network; seconds for one, not for one image.
        step: what a training step takes besides its images.
        activations: bytes of all that the layers put out for one image.
        weight_bytes: of the network.
    """

    features: float
    pixels: float
    weights: float
    matched: float
    augmented: float
    network: float
    step: float
    activations: int
    weight_bytes: int


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
) -> Rates:
    """Measure the rates of an architecture where it will run, in a few seconds.

    Args:
        model: see ``networks.build``.
        domain: of the images.
        policy: augments.
        route: how images pass the network.
        device: where.
    """
    place, make = torch.device(device), builder(model, domain, device)
    network = make(key=Key(0)).train()
    images = _sample(domain, place, network, route)
    count = len(images)
    half = ByClass(images, (count // 2, count - count // 2))
    few, wanted = images[:FEW], real_gradient(network, images[:FEW], 0, route=route)
    frozen = make(key=Key(0)).train().requires_grad_(requires_grad=False)

    def seconds(run: Callable[[], object]) -> float:
        return _took(run, place)

    def pixels() -> None:
        moved = images.clone().requires_grad_()
        torch.autograd.grad(route.run(features, frozen, moved).square().sum(), moved)

    def matched() -> None:
        moved = few.clone().requires_grad_()
        asked = synthetic_gradient(network, moved, 0, route=route)
        torch.autograd.grad(gradient_distance(wanted, asked), moved)

    def fitted(n: int, epochs: int) -> Callable[[], None]:
        data = _labelled(images[:n], domain)
        return lambda: train(network, data, Fit(epochs), key=Key(0), route=route)

    step = max(seconds(fitted(FEW, 4)) / 4 - FEW * seconds(fitted(count, 1)) / count, 0.0)
    return Rates(
        features=seconds(lambda: route.over(features, network, images)) / count,
        pixels=seconds(pixels) / count,
        weights=seconds(lambda: real_gradient(network, images, 0, route=route)) / count,
        matched=seconds(matched) / FEW,
        augmented=seconds(lambda: siamese(policy, half, half, key=Key(0))) / (2 * count),
        network=seconds(lambda: make(key=Key(0))),
        step=step,
        activations=_activations(network, images[:1]),
        weight_bytes=sum(weight.nbytes for weight in network.parameters()),
    )


def update(
    method: Method, rates: Rates, *, ipc: float, classes: int, batch: float, teachers: float = 0.0
) -> Cost:
    """Return what an update of the synthetic set costs on average.

    Args:
        method: DM, or DC and DSA; of another it is not known what it does.
        rates: of the architecture under which it matches.
        ipc: images per class, on average.
        classes: number of them.
        batch: real images of each class, on average.
        teachers: seconds that an image takes under an original model of CLOM and back, on
            average: ``Rates.pixels`` of its architecture.

    Raises:
        InputError: for a method whose cost is not known.
    """
    real, synthetic = batch * classes, round(ipc * classes)
    drawn = {"augmentation": (real + synthetic) * rates.augmented}
    clom = {"CLOM": synthetic * teachers} if teachers else {}
    if isinstance(method, DistributionMatching):
        terms = {
            "real images": real * rates.features,
            "synthetic images": synthetic * rates.pixels,
            **drawn,
            "new networks": rates.network,
        }
        return Cost({**terms, **clom})
    if isinstance(method, GradientMatching):
        ageings = (method.outer_loop - 1) / method.outer_loop
        steps = math.ceil(synthetic / method.batch_train)
        epoch = synthetic * (rates.weights + rates.augmented) + steps * rates.step
        terms = {
            "real images": real * rates.weights,
            "synthetic images": synthetic * rates.matched,
            **drawn,
            "ageing networks": ageings * method.inner_loop * epoch,
            "new networks": rates.network / method.outer_loop,
        }
        return Cost({**terms, **clom})
    raise InputError(f"no cost model for {type(method).__name__}, only for DM, DC and DSA")


def validation(protocol: Protocol, rates: Rates, *, images: int, tested: int) -> Cost:
    """Return what it costs to validate a set by one network.

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
    return Cost({"training": protocol.fit.epochs * epoch, "testing": tested * rates.features})


def memory(
    method: Method,
    rates: Rates,
    domain: Domain,
    *,
    real: int,
    counts: Sequence[int],
    batch: int,
    route: Route,
    device: torch.device | str = "cpu",
) -> Cost:
    """Return the bytes that a distillation holds at its peak, by what they are for.

    Args:
        method: see ``update``.
        rates: of the architecture.
        domain: of the images.
        real: number of real images.
        counts: synthetic images of each class.
        batch: real images of each class in an update.
        route: how they pass the network.
        device: where.
    """
    pixels, classes = math.prod(domain.shape) * 4, len(domain.classes)
    floats = real * pixels
    chunk = batch * classes
    if route.chunk is not None:
        chunk = min(chunk, route.most(torch.empty(0, *domain.shape, device=device)))
    twice = isinstance(method, GradientMatching)
    kept = 12 * max(counts) if twice else 2 * sum(counts)  # DC's graph: derivatives, of one class
    terms = {
        "libraries": float(LIBRARIES),
        "real images": 2.0 * floats if floats <= FLOATS_MOST else floats / 4,  # read; or as bytes
        "a batch of them": 3.0 * batch * classes * pixels,
        "layers over real images": float(chunk * rates.activations * (2 if twice else 1)),
        "layers over synthetic images": float(kept * rates.activations),
        "networks": 4.0 * rates.weight_bytes,
    }
    return Cost(terms)


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
    each = _took(lambda: real_gradient(network, images[:FEW], 0, route=route), device) / FEW
    return images[: max(FEW, min(count, int(MOMENT / max(each, 1e-9))))]


def _took(run: Callable[[], object], device: torch.device) -> float:
    # Seconds: the median of a few times, or of fewer where that would take long.
    run()
    synchronise(device)
    found: list[float] = []
    while len(found) < 3 and sum(found) < LONG:
        started = time.perf_counter()
        run()
        synchronise(device)
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def _activations(network: Network, image: Tensor) -> int:
    total = 0

    def count(_module: nn.Module, _given: object, made: object) -> None:
        nonlocal total
        total += made.nbytes if isinstance(made, Tensor) else 0

    leaves = [module for module in network.modules() if not list(module.children())]
    hooks = [leaf.register_forward_hook(count) for leaf in leaves]
    try:
        with torch.no_grad():
            network(image)
    finally:
        for hook in hooks:
            hook.remove()
    return total
