"""Training and testing one network: the only place where weights are fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datastill.augment import Policy, identity
from datastill.data import ImageSet
from datastill.errors import InputError
from datastill.networks import evaluating
from datastill.rng import Key, moved
from datastill.route import Route, logits


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
    """

    epochs: int = 300
    batch: int = 256
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    milestones: tuple[int, ...] = ()
    restart: bool = False


@dataclass(frozen=True, eq=False)
class Epoch:
    """One pass over the images.

    Attributes:
        number: from 1.
        loss: the mean, a scalar tensor.
        state: makes a copy of all that the fit can be taken up from; ask before the next epoch.
    """

    number: int
    loss: Tensor
    state: Callable[[], Fitting]


@dataclass(frozen=True, eq=False)
class Fitting:
    """A network in the middle of a fit: all that the epochs to come follow from.

    Attributes:
        epoch: passes that were made.
        weights: of the network, and its buffers.
        momentum: of the parameters, by their number; none without.
    """

    epoch: int
    weights: Mapping[str, Tensor]
    momentum: Mapping[int, Tensor]


def train(
    network: nn.Module,
    data: ImageSet,
    fit: Fit,
    *,
    policy: Policy | None = None,
    key: Key,
    route: Route | None = None,
) -> None:
    """Fit ``network`` to ``data`` in place.

    Args:
        network: from images to logits.
        data: with hard or soft labels.
        fit: how.
        policy: augments every image of a batch by a draw of its own.
        key: decides the order of the images and the draws.
        route: how a batch passes the network.
    """
    for _ in epochs(network, data, fit, policy=policy, key=key, route=route):
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
) -> Iterator[Epoch]:
    """Do what ``train`` does, and pause after every epoch.

    With the ``state`` of an earlier fit with the same arguments it goes on from there.

    Raises:
        InputError: when the state is that of another network.
    """
    route, policy, device = route or Route(), policy or identity, data.images.device
    done = state.epoch if state else 0
    for epoch, optimiser in enumerate(optimisers(network.parameters(), fit)):
        if state and epoch + 1 == done:
            _restore(state, network, optimiser)
        if epoch < done:
            continue
        network.train()
        order = torch.randperm(len(data), generator=key.at("order", epoch).generator())
        total = torch.zeros((), device=device)
        for i, rows in enumerate(moved(order, device).split(fit.batch)):
            batch = data.take(rows)
            images = policy(len(batch), key=key.at("augment", epoch, i))(batch.images)
            optimiser.zero_grad()
            with route.arithmetic(device):
                total += len(rows) * _backward(network, images, batch.labels, route)
            optimiser.step()
        now = partial(_fitting, epoch + 1, network, optimiser)
        yield Epoch(epoch + 1, total / len(data), now)


def optimisers(weights: Iterable[Tensor], fit: Fit) -> Iterator[torch.optim.SGD]:
    """Yield what moves the weights in each epoch: one optimiser, which milestones change."""
    weights = list(weights)
    optimiser = _sgd(weights, fit, fit.lr)
    for epoch in range(fit.epochs):
        if epoch in fit.milestones:
            lr = fit.lr * 0.1 ** sum(milestone <= epoch for milestone in fit.milestones)
            if fit.restart:
                optimiser = _sgd(weights, fit, lr)
            for group in optimiser.param_groups:
                group["lr"] = lr
        yield optimiser


def accuracy(network: nn.Module, data: ImageSet, *, route: Route | None = None) -> float:
    """Return the share of ``data`` that ``network`` labels correctly, in evaluation mode."""
    found = predict(network, data.images, route=route)
    return float((found.argmax(1) == data.hard_labels).float().mean())


def predict(network: nn.Module, images: Tensor, *, route: Route | None = None) -> Tensor:
    """Return the ``(N, K)`` logits of ``(N, C, H, W)`` images, in evaluation mode."""
    with evaluating(network):
        return (route or Route()).over(logits, network, images)


def _fitting(epoch: int, network: nn.Module, optimiser: torch.optim.SGD) -> Fitting:
    momentum = {
        i: found.clone()
        for i, weight in enumerate(optimiser.param_groups[0]["params"])
        if (found := optimiser.state[weight].get("momentum_buffer")) is not None
    }
    weights = {name: value.detach().clone() for name, value in network.state_dict().items()}
    return Fitting(epoch, weights, momentum)


def _restore(state: Fitting, network: nn.Module, optimiser: torch.optim.SGD) -> None:
    weights: list[Tensor] = optimiser.param_groups[0]["params"]
    try:
        network.load_state_dict(dict(state.weights))
        for i, held in state.momentum.items():
            momentum = torch.zeros_like(weights[i]).copy_(held.reshape(weights[i].shape))
            optimiser.state[weights[i]]["momentum_buffer"] = momentum
    except (RuntimeError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"what was kept of the fit does not fit this network: {reason}") from None


def _sgd(weights: list[Tensor], fit: Fit, lr: float) -> torch.optim.SGD:
    return torch.optim.SGD(weights, lr=lr, momentum=fit.momentum, weight_decay=fit.weight_decay)


def _backward(network: nn.Module, images: Tensor, labels: Tensor, route: Route) -> Tensor:
    # The mean over the batch, summed chunk by chunk: the gradients add up to those of the whole.
    total = torch.zeros((), device=images.device)
    start = 0
    for chunk, count in route.split(images, network):
        found = route.run(logits, network, chunk)[:count]
        wanted = labels[start : start + count]
        loss = F.cross_entropy(found, wanted, reduction="sum") / len(images)
        loss.backward()
        total += loss.detach()
        start += count
    return total
