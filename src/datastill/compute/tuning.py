"""The fastest route for an architecture, by its name, and why it is that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from datastill.base.rng import Key
from datastill.compute.engine import forced
from datastill.compute.measuring import Answer, forget
from datastill.compute.route import Route, choose
from datastill.data import Domain
from datastill.networks import build
from datastill.networks.base.network import kernel_sizes

__all__ = ["Choice", "fastest", "forget"]


@dataclass(frozen=True)
class Choice:
    """A route, and what was measured.

    Attributes:
        route: that ``"auto"`` means for the architecture.
        why: what was measured; None where nothing had to be.
    """

    route: Route
    why: Answer | None

    @property
    def seconds(self) -> Mapping[str, float]:
        """What a training step took, by the names of the candidates."""
        return self.why.seconds if self.why else {}

    @property
    def measured(self) -> bool:
        """Whether something was measured in this process."""
        return self.why is not None and self.why.measured


def fastest(model: str, domain: Domain, device: torch.device | str = "cpu") -> Choice:
    """Return the fastest route for an architecture and images of a domain, on this machine.

    No candidate lowers the precision. The same answer that is remembered gives the same bits.

    Args:
        model: see ``networks.build``.
        domain: of the images.
        device: where.
    """
    network = build(model, domain, key=Key(0)).to(device)
    images = torch.empty(0, *domain.shape, device=device)
    route = Route().settled(network, images)
    measured = kernel_sizes(network) and images.device.type in ("cpu", "cuda") and not forced()
    return Choice(route, choose(network, domain.shape, images.device) if measured else None)
