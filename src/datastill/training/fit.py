"""Training and testing one network: the only place where weights are fitted."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from datastill.augment import Policy, draw_cutmix, identity, mixed
from datastill.base.errors import (
    InputError,
    in_plain_numbers,
    not_negative,
    of_kind,
    positive,
    whole,
)
from datastill.base.present import Present
from datastill.base.rng import Key, moved
from datastill.compute import cores, kernels
from datastill.compute.route import Route, logits
from datastill.data import Domain, ImageSet
from datastill.data.losses import label_loss
from datastill.data.pixels import ready
from datastill.networks import evaluating
from datastill.training.fitting import Fitting, Watch, batches_of_one, held_of, restore

Cost = Callable[[Tensor, slice], Tensor]
"""What a network's ``(n, K)`` logits of some rows of a batch cost, summed over these rows."""


class Labels(typing.Protocol):
    """Says anew for every batch, as it is after augmentation, what networks are to say of it."""

    def __call__(self, images: Tensor, labels: Tensor, domain: Domain, route: Route) -> Cost:
        """Look at ``(N, C, H, W)`` images that have labels, and say what logits cost."""
        ...


@dataclass(frozen=True)
class Fit:
    """How to fit weights by SGD.

    Attributes:
        epochs: passes over the images.
        batch: images per step; the last batch of an epoch may be smaller.
        lr: learning rate at the start.
        momentum: of SGD.
        weight_decay: of SGD.
        milestones: numbers of epochs after which the learning rate falls to a tenth.
        restart: forget the momentum at a milestone, as the field's evaluation code does.
        nesterov: whether the momentum, which is above zero then, looks ahead.
        cosine: let the learning rate fall to zero along half a cosine, besides any milestones.
        warmup: epochs in which it first rises in even steps.
        cutmix: put a rectangle of another image, and its share of the label, into every image.
        temperature: of soft labels: the loss is their Kullback-Leibler divergence from the softened
            logits; None for cross-entropy. Hard labels have none. See ``label_loss``.
    """

    epochs: int = 300
    batch: int = 256
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    milestones: tuple[int, ...] = ()
    restart: bool = False
    nesterov: bool = False
    cosine: bool = False
    warmup: int = 0
    cutmix: bool = False
    temperature: float | None = None

    def __post_init__(self) -> None:
        whole(epochs=self.epochs, batch=self.batch)
        whole(warmup=self.warmup, least=0)
        positive(temperature=self.temperature)
        not_negative(lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay)
        of_kind((tuple, list), "a tuple of numbers of epochs", milestones=self.milestones)
        for milestone in self.milestones:
            whole(milestones=milestone, least=0)
        object.__setattr__(self, "milestones", tuple(map(int, self.milestones)))
        for name in ("restart", "nesterov", "cosine", "cutmix"):
            of_kind(bool, "True or False", **{name: getattr(self, name)})
        if self.nesterov and not self.momentum:
            raise InputError("`nesterov=True` looks ahead by a `momentum`, which is 0: name one")
        numbers = ("epochs", "batch", "lr", "momentum", "weight_decay", "warmup", "temperature")
        in_plain_numbers(self, *numbers)

    def lr_at(self, epoch: int) -> float:
        """Return the learning rate of an epoch, from 0.

        >>> [round(Fit(epochs=4, lr=1.0, cosine=True, warmup=1).lr_at(e), 2) for e in range(4)]
        [0.5, 0.85, 0.5, 0.15]
        """
        lr = self.lr * 0.1 ** sum(milestone <= epoch for milestone in self.milestones)
        if self.cosine:
            lr *= (1 + math.cos(math.pi * epoch / self.epochs)) / 2
        return lr * min(1.0, (epoch + 1) / (self.warmup + 1))


@dataclass(frozen=True, eq=False)
class Epoch:
    """One pass over the images.

    Attributes:
        number: from 1.
        loss: the mean, a scalar tensor.
        state: makes a copy of all that the fit can be taken up from; ``InputError`` once the next
            epoch has begun.
    """

    number: int
    loss: Tensor
    state: Callable[[], Fitting]


def train(
    network: nn.Module,
    data: ImageSet,
    fit: Fit,
    *,
    policy: Policy | None = None,
    key: Key,
    route: Route | None = None,
    labels: Labels | None = None,
) -> None:
    """Fit ``network`` to ``data`` in place.

    Args:
        network: from images to logits.
        data: with hard or soft labels.
        fit: how.
        policy: augments every image of a batch by a draw of its own.
        key: decides the order of the images and the draws.
        route: how a batch passes the network.
        labels: anew for every batch; None for those of the set.
    """
    for _ in epochs(network, data, fit, policy=policy, key=key, route=route, labels=labels):
        pass


def epochs(
    network: nn.Module,
    data: ImageSet,
    fit: Fit,
    *,
    policy: Policy | None = None,
    key: Key,
    route: Route | None = None,
    state: Fitting | None = None,
    labels: Labels | None = None,
    watch: Watch | None = None,
) -> Iterator[Epoch]:
    """Do what ``train`` does, and pause after every epoch.

    With the ``state`` of an earlier fit with the same arguments it goes on from there
    (``InputError``: that of another network). Whoever watches costs no pass of images.
    """
    route, policy, device = route or Route(), policy or identity, data.images.device
    present = Present("epoch")
    whole = _is_kernels(network, data, route)
    shared = partial(cores.shared, device, policy, labels, watch, wanted=whole)
    temperature = fit.temperature if data.labels.ndim == 2 else None
    for epoch, optimiser in _to_come(network, fit, state):
        present.ends()
        network.train()
        order = torch.randperm(len(data), generator=key.at("order", epoch).generator())
        total = torch.zeros((), device=device)
        with key.at("own", epoch).scope():  # what a person's own layers draw, such as dropout
            for i, rows in enumerate(moved(order, device).split(fit.batch)):
                with route.arithmetic(device), shared():
                    images, wanted = _augmented(data.take(rows), fit, policy, (epoch, i), key=key)
                    optimiser.zero_grad()
                    cost = costing(images, wanted, data.domain, route, labels, temperature)
                    loss, said = _backward(network, images, cost, route)
                    total += len(rows) * loss
                    optimiser.step()
                    if watch is not None:
                        watch(epoch, rows, torch.cat(said))
        now = partial(held_of, epoch + 1, network, optimiser, watch)
        yield Epoch(epoch + 1, total / len(data), present.only(epoch + 1, now))


def _is_kernels(network: nn.Module, data: ImageSet, route: Route) -> bool:
    few = ready(data.images[:1])
    return route.settled(network, few).by_kernels(few) and kernels.whole(network, few)


def _to_come(
    network: nn.Module, fit: Fit, state: Fitting | None
) -> Iterator[tuple[int, torch.optim.SGD]]:
    # The epochs that were not made before, each with what moves the weights.
    done = state.epoch if state else 0
    for epoch, optimiser in enumerate(optimisers(network.parameters(), fit)):
        if state and epoch + 1 == done:
            restore(state, network, optimiser)
        if epoch >= done:
            yield epoch, optimiser


def costing(
    images: Tensor,
    wanted: Tensor,
    domain: Domain,
    route: Route,
    labels: Labels | None = None,
    temperature: float | None = None,
) -> Cost:
    """Return what logits of a batch cost: under its own labels, or under those given anew.

    Args:
        images: as networks are shown them.
        wanted: the labels that they have.
        domain: of the images.
        route: how they pass those who give labels.
        labels: gives others; None for their own.
        temperature: of their own, see ``label_loss``.
    """
    if labels is not None:
        return labels(images, wanted, domain, route)
    return lambda found, rows: label_loss(found, wanted[rows], temperature)


def _augmented(
    batch: ImageSet, fit: Fit, policy: Policy, place: tuple[int, int], *, key: Key
) -> tuple[Tensor, Tensor]:
    images = policy(len(batch), key=key.at("augment", *place))(batch.images)
    if not fit.cutmix:
        return images, batch.labels
    return mixed(images, batch.shares, [draw_cutmix(len(batch), key=key.at("cutmix", *place))])


def optimisers(weights: Iterable[Tensor], fit: Fit) -> Iterator[torch.optim.SGD]:
    """Yield what moves the weights in each epoch: one optimiser, which milestones change."""
    weights = list(weights)
    optimiser = _sgd(weights, fit)
    for epoch in range(fit.epochs):
        if fit.restart and epoch in fit.milestones:
            optimiser = _sgd(weights, fit)
        for group in optimiser.param_groups:
            group["lr"] = fit.lr_at(epoch)
        yield optimiser


def accuracy(network: nn.Module, data: ImageSet, *, route: Route | None = None) -> float:
    """Return the share of ``data`` that ``network`` labels correctly, in evaluation mode."""
    return accuracy_by_class(network, data, route=route)[0]


def accuracy_by_class(
    network: nn.Module, data: ImageSet, *, route: Route | None = None
) -> tuple[float, tuple[int, ...]]:
    """Return ``accuracy``, and how many images of each class are labelled correctly."""
    labels = data.hard_labels
    right = predict(network, data.images, route=route).argmax(1) == labels
    counts = torch.bincount(labels[right], minlength=len(data.domain.classes))
    return float(right.float().mean()), tuple(map(int, counts.tolist()))


def predict(network: nn.Module, images: Tensor, *, route: Route | None = None) -> Tensor:
    """Return the ``(N, K)`` logits of ``(N, C, H, W)`` images, in evaluation mode."""
    with evaluating(network):
        return (route or Route()).over(logits, network, images)


def _sgd(weights: list[Tensor], fit: Fit) -> torch.optim.SGD:
    return torch.optim.SGD(
        weights,
        lr=fit.lr,
        momentum=fit.momentum,
        weight_decay=fit.weight_decay,
        nesterov=fit.nesterov,
    )


def _backward(
    network: nn.Module, images: Tensor, cost: Cost, route: Route
) -> tuple[Tensor, list[Tensor]]:
    # The mean over the batch, summed chunk by chunk: the gradients add up to those of the whole.
    # And the logits of every chunk.
    route, said = route.settled(network, images), list[Tensor]()
    total = torch.zeros((), device=images.device)
    start = 0
    for chunk, count in route.split(images, network):
        with batches_of_one(images):
            found = route.run(logits, network, chunk)[:count]
        loss = cost(found, slice(start, start + count)) / len(images)
        loss.backward()
        total += loss.detach()
        said.append(found.detach())
        start += count
    return total, said
