"""Gradient matching: DC (Zhao, Mopuri and Bilen, ICLR 2021), and DSA, with one augmentation.

With Differentiable Siamese Augmentation (Zhao and Bilen, ICML 2021), DSA, it is the same method
under a task that augments.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from datastill.base.errors import InputError, positive, suggestion, whole
from datastill.base.rng import Key, moved
from datastill.compute import cores
from datastill.compute.arithmetic import fused
from datastill.compute.route import Route, logits
from datastill.data import ByClass, ImageSet, sample_per_class
from datastill.data.losses import Metric, gradient_distance
from datastill.distillation.methods.base import (
    METHODS,
    Paper,
    Published,
    Sgd,
    Synthetic,
    Task,
    matched,
    recalled,
    sloping,
)
from datastill.networks import Network, has_batch_statistics, vectorisable
from datastill.training.fit import Fit, train

LOOPS = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}
"""Images per class, and the published numbers of outer and inner steps."""

GENERATIONS = 1000
"""Random networks that a published run goes through."""

BATCH_STATISTICS = 16
"""Real images per class that batch statistics are led towards, as published."""

CONDENSATION = Paper(
    "zhao2021dc",
    "Zhao, Bo and Mopuri, Konda Reddy and Bilen, Hakan",
    "Dataset Condensation with Gradient Matching",
    "ICLR 2021",
)
SIAMESE = Paper(
    "zhao2021dsa",
    "Zhao, Bo and Bilen, Hakan",
    "Dataset Condensation with Differentiable Siamese Augmentation",
    "ICML 2021",
)


@dataclass(frozen=True)
class GradientMatching:
    """Match the gradients that each class asks of a network which learns the synthetic set.

    Attributes:
        outer_loop: updates of the images under one network, before the next random one.
        inner_loop: epochs on the synthetic set by which the network ages between two updates.
        lr_net: learning rate of that, plain SGD without momentum or decay.
        batch_train: synthetic images per step of that.
        dis_metric: distance between gradients, see ``losses.gradient_distance``.
    """

    outer_loop: int = 10
    inner_loop: int = 50
    lr_net: float = 0.01
    batch_train: int = 256
    dis_metric: Metric = "layerwise-cosine"
    ages: ClassVar[bool] = True  # networks are trained on the set, see ``Targeting``
    by_classes: ClassVar[bool] = True  # see ``sharing.ByClasses``

    def __post_init__(self) -> None:
        whole(outer_loop=self.outer_loop, inner_loop=self.inner_loop, batch_train=self.batch_train)
        positive(lr_net=self.lr_net)
        if self.dis_metric not in typing.get_args(Metric):
            hint = suggestion(str(self.dis_metric), typing.get_args(Metric))
            raise InputError(f"no distance named {self.dis_metric!r}; {hint}")

    @property
    def period(self) -> int:
        """See ``Periodic``: updates under one network."""
        return self.outer_loop

    def network(self, task: Task, step: int, last: Network | None, synthetic: ImageSet) -> Network:
        """Return a new network, or ``last`` after some training on the synthetic set."""
        generation, age = divmod(step, self.outer_loop)
        key = task.key.at("network", generation)
        network = task.build(key=key) if last is None or age == 0 else last
        if network is last:
            fit = Fit(self.inner_loop, self.batch_train, self.lr_net, momentum=0, weight_decay=0)
            here = key.at("age", age)
            train(network, synthetic, fit, policy=task.policy, key=here, route=task.route)
        network.train()
        if has_batch_statistics(network):
            freeze_batch_statistics(network, task.real, key=key.at("statistics", age))
        return network

    def loss(
        self, task: Task, step: int, memory: Network | None, synthetic: Synthetic, *, key: Key
    ) -> tuple[Tensor, Network]:
        """Return the distance from a new draw of real images, and remember the network."""
        return matched(self, task, step, memory, synthetic, key=key)

    def recall(self, task: Task, tensors: Mapping[str, Tensor]) -> Network:
        """Return a network with these weights."""
        return recalled(task, tensors)

    def match(self, network: Network, real: ByClass, synthetic: ByClass, *, route: Route) -> Tensor:
        """Return the distance between gradients, summed over the classes of the synthetic set."""
        vectorised = route.vectorises(synthetic.images) and even(real, synthetic)
        if vectorised and vectorisable(network):
            target = self.target(network, real, route=route)
            return self.distance(network, target, synthetic, route=route)
        distances: list[Tensor] = []
        for label, (r, s) in enumerate(zip(real.split(), synthetic.split(), strict=True)):
            if len(s):
                target = real_gradient(network, r, label, route=route)
                distances.append(self._distance(network, target, s, label, route))
        return torch.stack(distances).sum()

    def target(self, network: Network, real: ByClass, *, route: Route) -> tuple[Tensor, ...]:
        """Return the gradient that each class with images asks for, ``(K', *shape)`` by weight."""
        shared = {count for count in real.counts if count}
        if route.vectorises(real.images) and len(shared) == 1 and vectorisable(network):
            images = real.images.unflatten(0, (sum(map(bool, real.counts)), -1))
            return self._real_at_once(network, images, _present(real), route)
        each = [
            real_gradient(network, images, label, route=route)
            for label, images in enumerate(real.split())
            if len(images)
        ]
        return tuple(map(torch.stack, zip(*each, strict=True)))

    def distance(
        self, network: Network, target: tuple[Tensor, ...], synthetic: ByClass, *, route: Route
    ) -> Tensor:
        """Return what ``match`` does, from gradients of the real images of the same classes."""
        shared = {count for count in synthetic.counts if count}
        if route.vectorises(synthetic.images) and len(shared) == 1 and vectorisable(network):
            images = synthetic.images.unflatten(0, (len(target[0]), -1))
            asked = class_gradients(network, images, _present(synthetic))
            distance = partial(gradient_distance, metric=self.dis_metric)
            return vmap(distance)(target, asked).sum()
        labels = [label for label, count in enumerate(synthetic.counts) if count]
        parts = synthetic.split()
        return torch.stack(
            [
                self._distance(network, tuple(of[k] for of in target), parts[label], label, route)
                for k, label in enumerate(labels)
            ]
        ).sum()

    def _real_at_once(
        self, network: Network, images: Tensor, labels: Tensor, route: Route
    ) -> tuple[Tensor, ...]:
        find = fused(class_gradients) if route.compiled else class_gradients
        with torch.no_grad(), route.casting(labels.device):
            return find(network, images, labels)

    def _distance(
        self,
        network: Network,
        target: tuple[Tensor, ...],
        images: Tensor,
        label: int,
        route: Route,
    ) -> Tensor:
        # A graph that has been differentiated once is large: that of one class is walked and freed
        # before the next is made, whoever asks for the gradient of their sum.
        alone = images.detach().requires_grad_(images.requires_grad)
        asked = synthetic_gradient(network, alone, label, route=route)
        distance = gradient_distance(target, asked, self.dis_metric)
        if not images.requires_grad:
            return distance.detach()
        (slope,) = torch.autograd.grad(distance, alone)
        return sloping(distance.detach(), {images: slope})


def _present(images: ByClass) -> Tensor:
    # The classes that have images, where these are.
    present = torch.tensor([k for k, count in enumerate(images.counts) if count])
    return moved(present, images.images.device)


def synthetic_gradient(
    network: nn.Module, images: Tensor, label: int, *, route: Route
) -> tuple[Tensor, ...]:
    """Return the gradient of the mean cross-entropy, itself differentiable in the images."""
    labels = torch.full((len(images),), label, device=images.device)
    said = route.exact.run(logits, network, images, twice=True)
    risk = F.cross_entropy(said, labels)
    return torch.autograd.grad(risk, list(network.parameters()), create_graph=True)


def real_gradient(
    network: nn.Module, images: Tensor, label: int, *, route: Route
) -> tuple[Tensor, ...]:
    """Return the gradient of the mean cross-entropy, summed chunk by chunk."""
    weights = list(network.parameters())
    total = [torch.zeros_like(weight) for weight in weights]
    for chunk, count in route.split(images, network):
        labels = torch.full((count,), label, device=images.device)
        said = route.run(logits, network, chunk)[:count]
        risk = F.cross_entropy(said, labels, reduction="sum") / len(images)
        for part, found in zip(total, torch.autograd.grad(risk, weights), strict=True):
            part += found
    return tuple(total)


def even(real: ByClass, synthetic: ByClass) -> bool:
    """Tell whether all classes that there are have as many images as each other, on both sides."""
    pairs = {pair for pair in zip(real.counts, synthetic.counts, strict=True) if any(pair)}
    return len(pairs) == 1 and all(next(iter(pairs)))


def class_gradients(network: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """Return what ``synthetic_gradient`` and ``real_gradient`` do, for all classes at once.

    Args:
        network: see ``networks.vectorisable``.
        images: ``(K, n, C, H, W)``, of K classes.
        labels: ``(K,)``.

    Returns:
        One gradient per parameter, ``(K, *shape)``, differentiable in the images.
    """

    def risk(weights: dict[str, Tensor], images: Tensor, label: Tensor) -> Tensor:
        said = functional_call(network, weights, (images,))
        return F.cross_entropy(said, label.expand(len(images)))

    weights: dict[str, Tensor] = dict(network.named_parameters())
    images = images.contiguous()  # some transforms leave a memory format that vmap cannot ask for
    return tuple(vmap(grad(risk), in_dims=(None, 0, 0))(weights, images, labels).values())


def freeze_batch_statistics(network: nn.Module, real: ImageSet, *, key: Key) -> None:
    """Lead statistics of batch norm a tenth of the way to those of a few real images of each class.

    As published, and keep them: images of one class have others than a batch of training has.
    """
    cores.needed()
    with torch.no_grad():
        network(sample_per_class(real, BATCH_STATISTICS, key=key).images)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def loops(ipc: int) -> tuple[int, int]:
    """Return the outer and inner steps for a number of images per class.

    The published numbers where there are any, straight lines between them, and those of 50
    beyond: the reference code stops at any other number.

    >>> loops(10), loops(25), loops(200)
    ((10, 50), (25, 22), (50, 10))
    """
    whole(ipc=ipc)
    if ipc >= max(LOOPS):
        return LOOPS[max(LOOPS)]
    below = max(known for known in LOOPS if known <= ipc)
    above = min(known for known in LOOPS if known > ipc)
    share = (ipc - below) / (above - below)
    outer, inner = (a + share * (b - a) for a, b in zip(LOOPS[below], LOOPS[above], strict=True))
    return round(outer), round(inner)


@METHODS.register("DC")
def published(ipc: int) -> Published:
    """Return the settings of Dataset Condensation: from noise, without augmentation."""
    outer, inner = loops(ipc)
    return Published(
        GradientMatching(outer, inner),
        updates=GENERATIONS * outer,
        optimisers={"images": Sgd(0.1, 0.5)},
        init="noise",
        augmented=False,
        protocol="dc",
        papers=(CONDENSATION,),
    )


@METHODS.register("DSA")
def published_siamese(ipc: int) -> Published:
    """Return the settings of Differentiable Siamese Augmentation: from real images."""
    papers = (CONDENSATION, SIAMESE)
    return replace(published(ipc), init="real", augmented=True, protocol="dsa", papers=papers)
