"""What a network is, and how one is built by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from datastill.data import Domain
from datastill.errors import InputError, suggestion
from datastill.registry import Registry, plain
from datastill.rng import Key


class Network(nn.Module):
    """A classifier made of features ``(N, C, H, W) -> (N, D)`` and a linear head."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def embed(self, images: Tensor) -> Tensor:
        """Return the ``(N, D)`` features of ``(N, C, H, W)`` images."""
        return self.body(images).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the ``(N, K)`` logits of ``(N, C, H, W)`` images."""
        return self.head(self.embed(images))


def features(network: Network, images: Tensor) -> Tensor:
    """Return what a network's head is given."""
    return network.embed(images)


class Build(Protocol):
    """Makes a new network whose weights depend on ``key`` alone."""

    def __call__(self, *, key: Key) -> Network: ...


Options = Mapping[str, Any]


@dataclass(frozen=True)
class Family:
    """Networks of one kind.

    Attributes:
        factory: makes one from a domain and options.
        suffixes: what may follow the name, and the options that each stands for:
            ``ConvNetD4W64`` is a ConvNet with those of ``D4`` and ``W64``.
    """

    factory: Callable[..., Network]
    suffixes: Mapping[str, Options] = field(default_factory=dict[str, Options])


NETWORKS = Registry[Family]("model")


def find(name: str) -> tuple[str, Callable[[Domain], Network]]:
    """Look up a network by a name such as ``ConvNetD4BN``.

    Returns:
        The name as the field spells it, and what makes the network for a domain.

    Raises:
        InputError: when there is none, with the nearest name.
    """
    wanted = plain(name)
    for known in sorted(NETWORKS.names, key=len, reverse=True):
        if wanted.startswith(plain(known)):
            family = NETWORKS[known]
            found = _suffixes(wanted.removeprefix(plain(known)), family.suffixes)
            if found is not None:
                options = {k: v for suffix in found for k, v in family.suffixes[suffix].items()}
                return "".join([known, *found]), lambda domain: family.factory(domain, **options)
            if family.suffixes:
                endings = " ".join(family.suffixes)
                raise InputError(f"no model named {name!r}; {known} may be followed by {endings}")
    raise InputError(f"no model named {name!r}; {suggestion(name, NETWORKS.names)}")


def build(name: str, domain: Domain, *, key: Key) -> Network:
    """Build a network by name for the images of a domain.

    Args:
        name: of a registered family, with suffixes; case and punctuation do not matter.
        domain: gives the shape of the images and the number of classes.
        key: the weights depend on nothing else.

    Raises:
        InputError: for an unknown name, or images too small for the network.
    """
    _, factory = find(name)
    with key.scope():
        return factory(domain)


def builder(name: str, domain: Domain, device: torch.device | str = "cpu") -> Build:
    """Return what builds networks of one name for one domain, on one device."""

    def make(*, key: Key) -> Network:
        return build(name, domain, key=key).to(device)

    return make


def has_batch_statistics(network: nn.Module) -> bool:
    """Tell whether a network's output for an image depends on the rest of its batch."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def _suffixes(rest: str, known: Mapping[str, Options]) -> list[str] | None:
    found: list[str] = []
    while rest:
        fits = [suffix for suffix in known if rest.startswith(plain(suffix))]
        if not fits:
            return None
        found.append(max(fits, key=len))
        rest = rest.removeprefix(plain(found[-1]))
    return found
