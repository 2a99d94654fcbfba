"""A network in the middle of a fit: what it goes on from, and who watches."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from datastill.base.errors import InputError, reason


@dataclass(frozen=True, eq=False)
class Fitting:
    """A network in the middle of a fit: all that the epochs to come follow from.

    Attributes:
        epoch: passes that were made.
        weights: of the network, and its buffers.
        momentum: of the parameters, by their number; none without.
        watched: what who watched the fit found so far, see ``dynamics``; nothing where nobody did.
    """

    epoch: int
    weights: Mapping[str, Tensor]
    momentum: Mapping[int, Tensor]
    watched: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


class Watch(Protocol):
    """Sees what a network says of images in the moment in which it is trained on them."""

    def __call__(self, epoch: int, rows: Tensor, logits: Tensor) -> None:
        """Look at a batch.

        Args:
            epoch: from 0.
            rows: ``(n,)`` of its images.
            logits: ``(n, K)``, as they were before the step.
        """
        ...

    def state(self) -> Mapping[str, Tensor]:
        """Return a copy of what was found, to go on from."""
        ...


def held_of(
    epoch: int, network: nn.Module, optimiser: torch.optim.SGD, watch: Watch | None
) -> Fitting:
    """Return a copy of all that the epochs to come follow from."""
    momentum = {
        i: found.clone()
        for i, weight in enumerate(optimiser.param_groups[0]["params"])
        if (found := optimiser.state[weight].get("momentum_buffer")) is not None
    }
    weights = {name: value.detach().clone() for name, value in network.state_dict().items()}
    return Fitting(epoch, weights, momentum, watch.state() if watch is not None else {})


def restore(state: Fitting, network: nn.Module, optimiser: torch.optim.SGD) -> None:
    """Put a network and its optimiser back into the middle of a fit.

    Raises:
        InputError: when they are others.
    """
    weights: list[Tensor] = optimiser.param_groups[0]["params"]
    try:
        network.load_state_dict(dict(state.weights))
        for i, held in state.momentum.items():
            momentum = torch.zeros_like(weights[i]).copy_(held.reshape(weights[i].shape))
            optimiser.state[weights[i]]["momentum_buffer"] = momentum
    except (RuntimeError, IndexError) as error:
        raise InputError(
            f"what was kept of the fit does not fit this network: {reason(error)}"
        ) from None


@contextmanager
def batches_of_one(images: Tensor) -> Generator[None]:
    """Say why batch norm takes no batch of one image, which an epoch may end with."""
    try:
        yield
    except ValueError as error:
        if len(images) > 1 or "more than 1 value per channel" not in str(error):
            raise
        raise InputError(
            "an epoch ends with a batch of one image, which has no statistics for batch norm "
            "where images have become a single pixel: take another `batch`, or another network"
        ) from None
