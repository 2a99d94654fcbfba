"""Many networks of one architecture trained at once, as one network of stacked weights.

A set of a few images leaves a GPU idle while one network trains on it. Here each network sees what
``fit.train`` shows it under the same key, the same images in the same order under the same
draws, and ends with the same weights, up to rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from datastill.augment import Policy, apply_each, draw_cutmix, identity, mixed
from datastill.base.errors import reason
from datastill.base.rng import Key, moved
from datastill.compute.route import Route, logits
from datastill.data import ImageSet
from datastill.training.fit import Fit, Labels, costing, optimisers


class Stack(nn.Module):
    """Networks of one architecture, run at once.

    Its parameters and buffers are copies of theirs, one behind the other; see ``hand_back``.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self._networks = tuple(networks)  # a tuple, so that they are not parts of this module
        weights, buffers = stack_module_state(list(networks))
        self._names = tuple(weights), tuple(buffers)
        self.weights = nn.ParameterList(
            nn.Parameter(weight.detach(), weight.requires_grad) for weight in weights.values()
        )
        for i, buffer in enumerate(buffers.values()):
            self.register_buffer(f"buffer{i}", buffer)

    def forward(self, images: Tensor) -> Tensor:
        """Return ``(T, N, K)`` logits of ``(T, N, C, H, W)`` images, N for each of T networks."""
        return vmap(self._one)(*self._state(), images)

    @torch.no_grad()
    def hand_back(self) -> None:
        """Give every network its weights and buffers as they now are."""
        weights, buffers = self._state()
        for i, network in enumerate(self._networks):
            for name, weight in network.named_parameters():
                weight.copy_(weights[name][i])
            for name, buffer in network.named_buffers():
                buffer.copy_(buffers[name][i])

    def _one(
        self, weights: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor
    ) -> Tensor:
        return functional_call(self._networks[0], (weights, buffers), (images,))

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        weights, buffers = self._names
        return (
            dict(zip(weights, self.weights, strict=True)),
            dict(zip(buffers, self.buffers(), strict=True)),
        )


def train(
    networks: Sequence[nn.Module],
    sets: Sequence[ImageSet],
    fit: Fit,
    *,
    keys: Sequence[Key],
    policy: Policy | None = None,
    route: Route | None = None,
    labels: Labels | None = None,
) -> None:
    """Do for each network, its set and its key what ``fit.train`` does, for all at once.

    Args:
        networks: of one architecture, see ``obstacle``; they are changed in place.
        sets: one for each network, on one device, see ``alike``; what serves several is held once.
        fit: how.
        keys: one for each network.
        policy: augments, see ``fit.train``.
        route: how images pass the networks; without kernels, channels as they come.
        labels: anew for every batch, see ``fit.train``.
    """
    policy, route = policy or identity, route or Route()
    images, held, first = _joined(sets, shares=fit.cutmix)
    way = _way(route, networks[0], images)
    temperature = fit.temperature if sets[0].labels.ndim == 2 else None
    device, stack = images.device, Stack([network.train() for network in networks])
    for epoch, optimiser in enumerate(optimisers(stack.parameters(), fit)):
        generators = [key.at("order", epoch).generator() for key in keys]
        orders = torch.stack([torch.randperm(len(sets[0]), generator=rng) for rng in generators])
        for i, rows in enumerate(moved(orders + first[:, None], device).split(fit.batch, dim=1)):
            batch, wanted = images[rows.flatten()], held[rows.flatten()]
            batch, wanted = _augmented(batch, wanted, fit, policy, (epoch, i), keys=keys)
            optimiser.zero_grad()
            with way.arithmetic(device):
                # vmap cannot ask for the memory format that some transforms leave behind.
                said = way.run(logits, stack, batch.contiguous().unflatten(0, rows.shape))
                cost = costing(batch, wanted, sets[0].domain, route, labels, temperature)
                (cost(said.flatten(0, 1), slice(None)) / rows.shape[1]).backward()
            optimiser.step()
    stack.hand_back()


def _way(route: Route, network: nn.Module, images: Tensor) -> Route:
    # Neither kernels nor channels last serve a stack; other words do, where they are faster.
    found = route.settled(network, images) if images.device.type == "cuda" else route
    return replace(found, kernels=False, channels_last=False)


def _augmented(
    images: Tensor,
    labels: Tensor,
    fit: Fit,
    policy: Policy,
    place: tuple[int, int],
    *,
    keys: Sequence[Key],
) -> tuple[Tensor, Tensor]:
    # Of a batch of as many images for each network, one behind the other.
    count = len(images) // len(keys)
    if policy is not identity:
        draws = [policy(count, key=key.at("augment", *place)) for key in keys]
        images = apply_each(draws, images, [count] * len(keys))
    if not fit.cutmix:
        return images, labels
    return mixed(images, labels, [draw_cutmix(count, key=key.at("cutmix", *place)) for key in keys])


def alike(one: ImageSet, other: ImageSet) -> bool:
    """Tell whether networks can train on two sets at once.

    These have as many images, normalised alike, and labels of one kind.
    """
    mine, its = one.domain, other.domain
    normalised = (mine.mean, mine.std) == (its.mean, its.std)
    return normalised and (len(one), one.labels.ndim) == (len(other), other.labels.ndim)


def obstacle(networks: Sequence[nn.Module], images: Tensor) -> str:
    """Say what keeps networks from being trained at once, or nothing.

    Two of them are run in training mode, at once and alone, and must say the same. A network may
    hold more than weights, draw numbers, or do what ``torch.func`` does not follow.

    Args:
        networks: of one architecture; copies of two of them are run.
        images: a few to run them on, ``(N, C, H, W)``.

    Returns:
        A phrase, empty where nothing is in the way.
    """
    images = images.detach().double()
    copies = [copy.deepcopy(network).double().train() for network in networks[:2]]
    try:
        with torch.no_grad():
            together = Stack(copies)(images.expand(len(copies), *images.shape))
    except Exception as error:
        return f"torch.func fails on them: {reason(error)}"
    with torch.no_grad():
        alone = torch.stack([network(images) for network in copies])
    same = torch.allclose(together, alone, rtol=1e-6, atol=1e-9, equal_nan=True)
    return "" if same else "they hold more than weights, or draw numbers"


def _joined(sets: Sequence[ImageSet], *, shares: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    # All different sets behind one another, and the row at which each network's begins.
    different = list({id(data): data for data in sets}.values())
    starts = {id(data): i * len(data) for i, data in enumerate(different)}
    alone = len(different) == 1  # and, if large, kept as pixels, which would be lost
    images = different[0].images if alone else torch.cat([data.images for data in different])
    labels = torch.cat([data.shares if shares else data.labels for data in different])
    return images, labels, torch.tensor([starts[id(data)] for data in sets])
