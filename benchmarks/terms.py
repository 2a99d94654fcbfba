"""What an update of DM, DC and DSA is made of: numbers of images, times rates that are measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from datastill.augment import Policy, siamese
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ByClass, Domain
from datastill.data.losses import gradient_distance
from datastill.distillation.methods import Method
from datastill.distillation.methods.distribution_matching import DistributionMatching
from datastill.distillation.methods.gradient_matching import (
    GradientMatching,
    real_gradient,
    synthetic_gradient,
)
from datastill.networks import builder, features
from datastill.runs.costs import forecast
from datastill.runs.costs.forecast import Cost, took

FEW = 10
"""Synthetic images of a class on which the rate of DC's second derivative is measured."""


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
    """

    features: float
    pixels: float
    weights: float
    matched: float
    augmented: float
    network: float
    step: float


def measured(model: str, domain: Domain, policy: Policy, route: Route) -> Rates:
    """Measure the rates of an architecture on this machine's CPU, in a few seconds."""
    place, make = torch.device("cpu"), builder(model, domain)
    network = make(key=Key(0)).train()
    images = torch.randn(128, *domain.shape, generator=Key(0).generator())
    count = len(images)
    half = ByClass(images, (count // 2, count - count // 2))
    few, wanted = images[:FEW], real_gradient(network, images[:FEW], 0, route=route)
    frozen = make(key=Key(0)).train().requires_grad_(requires_grad=False)

    def seconds(run: Callable[[], object]) -> float:
        return took(run, place)

    def pixels() -> None:
        moved = images.clone().requires_grad_()
        torch.autograd.grad(route.run(features, frozen, moved).square().sum(), moved)

    def matched() -> None:
        moved = few.clone().requires_grad_()
        asked = synthetic_gradient(network, moved, 0, route=route)
        torch.autograd.grad(gradient_distance(wanted, asked), moved)

    return Rates(
        features=seconds(lambda: route.over(features, network, images)) / count,
        pixels=seconds(pixels) / count,
        weights=seconds(lambda: real_gradient(network, images, 0, route=route)) / count,
        matched=seconds(matched) / FEW,
        augmented=seconds(lambda: siamese(policy, half, half, key=Key(0))) / (2 * count),
        network=seconds(lambda: make(key=Key(0))),
        step=forecast.measured(model, domain, policy, route).step,
    )


def update(method: Method, rates: Rates, *, ipc: float, classes: int, batch: float) -> Cost:
    """Return what an update of the synthetic set costs on average.

    Args:
        method: DM, or DC and DSA; of another it is not known what it does.
        rates: of the architecture under which it matches.
        ipc: images per class, on average.
        classes: number of them.
        batch: real images of each class, on average.
    """
    real, synthetic = batch * classes, round(ipc * classes)
    drawn = {"augmentation": (real + synthetic) * rates.augmented}
    if isinstance(method, DistributionMatching):
        terms = {
            "real images": real * rates.features,
            "synthetic images": synthetic * rates.pixels,
            **drawn,
            "new networks": rates.network,
        }
        return Cost(terms)
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
        return Cost(terms)
    raise TypeError(type(method).__name__)
