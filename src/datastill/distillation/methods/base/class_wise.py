"""Matching class by class: what methods have in common whose loss is a sum over classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from datastill.augment import siamese
from datastill.base.errors import InputError
from datastill.base.rng import Key, moved
from datastill.compute.route import Route
from datastill.data import ByClass, ImageSet, draw_rows
from datastill.distillation.methods.base.contract import Targets, Task
from datastill.distillation.methods.base.sloping import sloping
from datastill.distillation.parametrisations import Synthetic
from datastill.networks import Network, has_batch_statistics


@runtime_checkable
class Matching(Protocol):
    """Says under which network to compare images of each class, and how far apart they are."""

    def network(self, task: Task, step: int, last: Network | None, synthetic: ImageSet) -> Network:
        """Return the network for update ``step``.

        Args:
            task: the task at hand.
            step: how many updates have been made.
            last: the network of the update before, which may be trained further and returned; None
                where it is not remembered.
            synthetic: the images as they stand.
        """
        ...

    def match(self, network: Network, real: ByClass, synthetic: ByClass, *, route: Route) -> Tensor:
        """Return the scalar to minimise, a sum over classes: it may be given a few at a time.

        Args:
            network: where to compare.
            real: images of each class.
            synthetic: likewise; the scalar is differentiable in these.
            route: how the real images pass the network.
        """
        ...


@runtime_checkable
class Targeting(Protocol):
    """A method whose match is the distance from a target that synthetic images have no part in.

    Sets that are matched under one network have it in common. Where synthetic images have no part
    in the networks either, runs that differ in their regularisers alone have all targets in common;
    a method whose networks are trained on the set says ``ages = True``.
    """

    def target(self, network: Network, real: ByClass, *, route: Route) -> Any:
        """Return what real images of each class ask for: a tensor, or a tuple of some."""
        ...

    def distance(
        self, network: Network, target: Any, synthetic: ByClass, *, route: Route
    ) -> Tensor:
        """Return what ``match`` does, from the target."""
        ...


def matched(
    method: Matching,
    task: Task,
    step: int,
    last: Network | None,
    synthetic: Synthetic,
    *,
    key: Key,
) -> tuple[Tensor, Network]:
    """Match the synthetic set, class by class, with a new draw of real images of each class.

    Images of a class share an augmentation, real and synthetic. As the loss is a sum over classes,
    some are seen after others: what is in memory at once need not grow with their number.

    Args:
        method: under which network, and how far apart.
        task: see ``Method.loss``; likewise ``step`` and ``key``.
        step: how many updates have been made.
        last: the network of the update before.
        synthetic: the set as it stands.
        key: of this update.

    Returns:
        A scalar, whose gradient in the synthetic images is known already, and the network.
    """
    network = method.network(task, step, last, synthetic.as_set(task.real.domain))
    found = matched_under(method, network, task, synthetic, key=key)
    if task.beside is not None:
        task.beside.network, task.beside.whole = network, found.detach()
    return found, network


def matched_under(
    method: Matching, network: Network, task: Task, synthetic: Synthetic, *, key: Key
) -> Tensor:
    """Return the scalar of ``matched`` under a network that is there already."""
    found, slope = _in_groups(method, network, task, synthetic, key=key)
    return sloping(found, {synthetic.images: slope})


def _in_groups(
    method: Matching, network: Network, task: Task, synthetic: Synthetic, *, key: Key
) -> tuple[Tensor, Tensor]:
    # The scalar and its gradient in the images, some classes after others.
    rows = draw_rows(task.real, task.batch, key=key.at("real"))
    losses: list[Tensor] = []
    parts = synthetic.images.detach().split(synthetic.counts)
    seen = [
        drawn[: len(drawn) if len(part) else 0] for drawn, part in zip(rows, parts, strict=True)
    ]
    slopes = [*parts] if task.share is None else [torch.zeros_like(part) for part in parts]
    for some in _groups([len(a) + len(b) for a, b in zip(seen, parts, strict=True)], task, network):
        images = torch.cat([parts[k] for k in some]).requires_grad_()
        drawn = torch.cat([seen[k] for k in some])
        shares = _Real(task.real, drawn, _counts(seen, some)), ByClass(images, _counts(parts, some))
        loss = _loss(method, network, task, *shares, key=key)
        (slope,) = torch.autograd.grad(loss, images)
        if task.beside is not None and set(some) <= set(task.beside.classes):
            task.beside.add(loss.detach())
        losses.append(loss.detach())
        for k, of_class in zip(some, slope.split([len(parts[k]) for k in some]), strict=True):
            slopes[k] = of_class
    found = torch.stack(losses).sum() if losses else synthetic.images.new_zeros(())
    return found, torch.cat(slopes).contiguous()


@dataclass(frozen=True, eq=False)
class _Real:
    # Real images that are looked at only if somebody has to.
    data: ImageSet
    rows: Tensor
    counts: tuple[int, ...]

    def taken(self) -> ByClass:
        return ByClass(self.data.images[moved(self.rows, self.data.images.device)], self.counts)


def _loss(
    method: Matching,
    network: Network,
    task: Task,
    real: _Real,
    synthetic: ByClass,
    *,
    key: Key,
) -> Tensor:
    # From a target that is held, if there is one: then nobody looks at real images.
    augment, route = partial(siamese, task.policy, key=key.at("augment")), task.route
    targets = _targets(method, task, synthetic.counts)
    if targets is None or not isinstance(method, Targeting):
        return method.match(network, *augment(real.taken(), synthetic), route=route)
    nothing = ByClass(synthetic.images[:0].detach(), (0,) * len(synthetic.counts))
    _, changed = augment(nothing, synthetic)

    def make() -> Tensor:
        # Classes that are not here have no synthetic images either, and draw no augmentation.
        asked, _ = augment(real.taken(), nothing)
        return method.target(network, asked, route=route)

    target = targets.at((method, key, real.counts, synthetic.counts), make)
    return method.distance(network, target, changed, route=route)


def _targets(method: Matching, task: Task, counts: Sequence[int]) -> Targets | None:
    # Where targets of these classes are held for somebody else, if they are.
    present = [k for k, count in enumerate(counts) if count]
    if task.beside is not None and all(k in task.beside.classes for k in present):
        return task.beside.targets
    return None if getattr(method, "ages", False) else task.targets


def _groups(sizes: Sequence[int], task: Task, network: Network) -> list[range]:
    # Neighbouring classes. A network that normalises by its batch must see them all.
    if task.share is not None:  # each by itself, so that it is the same however many share
        if has_batch_statistics(network):
            raise InputError(
                "classes cannot be shared out where the network normalises by its batch; take one "
                "that does not, such as ConvNet, or start datastill once, not under torchrun"
            )
        mine = (k for k, size in enumerate(sizes) if size and task.share.has(k))
        return [range(k, k + 1) for k in mine]
    most = task.route.at_most(task.real.domain.shape)
    bounds = () if task.beside is None else (task.beside.classes.start, task.beside.classes.stop)
    if has_batch_statistics(network) or (sum(sizes) <= most and not bounds):
        return [range(len(sizes))]
    groups: list[range] = []
    start, total = 0, 0
    for k, size in enumerate(sizes):
        if (total and total + size > most) or (k > start and k in bounds):
            groups.append(range(start, k))
            start, total = k, 0
        total += size
    groups.append(range(start, len(sizes)))
    return [some for some in groups if any(sizes[k] for k in some)]


def _counts(images: Sequence[Tensor], some: range) -> tuple[int, ...]:
    return tuple(len(part) if k in some else 0 for k, part in enumerate(images))
