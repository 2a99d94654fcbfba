"""How a network is built by name."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import FunctionType
from typing import Any, Protocol

import torch
from torch import nn

from datastill.base.errors import InputError, of_kind, reason, suggestion, takes, told
from datastill.base.registry import Registry, folded
from datastill.base.rng import Key, moved, require_key
from datastill.data import Domain
from datastill.networks.base.network import Network
from datastill.networks.base.own import adapting, imported


class Build(Protocol):
    """Makes a new network whose weights depend on ``key`` alone."""

    def __call__(self, *, key: Key) -> Network: ...


Options = Mapping[str, Any]

Model = Callable[[Domain], nn.Module]
"""A class or function of a person's own that makes a network of a domain."""


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


NETWORKS = Registry[Family]("model", "datastill.networks")

BACKBONE = "hf:"
"""What the name of a model of Hugging Face begins with."""

Norm = Callable[[int], nn.Module]
"""Makes the norm of maps from their number of channels."""


def instance_norm(width: int) -> nn.Module:
    """Make the norm of each channel of each image: a group norm with one channel a group."""
    return nn.GroupNorm(width, width)


def require_size(name: str, domain: Domain, least: int) -> None:
    """Refuse images that a network would pool away.

    Raises:
        InputError: when height or width is below ``least``.
    """
    _, height, width = domain.shape
    if min(height, width) < least:
        raise InputError(
            f"{name} needs images of at least {least}x{least} pixels; "
            f"{domain.name} has {height}x{width}"
        )


def name_of(model: Any) -> str:
    """Return the name of a model that is given by it, or as a class or function of one's own.

    Raises:
        InputError: for what is none of these; for a class or function that no name leads to.
    """
    wanted = "the name of a model, or a class or function of one's own that makes one of a Domain"
    ours = isinstance(model, FunctionType) or (
        isinstance(model, type) and issubclass(model, nn.Module)
    )
    if not ours:
        of_kind(str, wanted, model=model)
        return str(model)
    takes(model, f"{told(model)} must take a Domain alone", None)
    path, name = model.__module__, model.__qualname__
    if getattr(sys.modules.get(path), name, None) is not model:
        raise InputError(
            f"`model` must be {wanted}, at the top of a module, where it is found again; "
            f"{path} has no {name}"
        )
    return f"{path}:{name}"


def find(name: str | Model) -> tuple[str, Callable[[Domain], Network]]:
    """Look up a network by a name such as ``ConvNetD4BN``.

    A model of Hugging Face (``hf:NAME``) is none that can be made: see ``backbone``.

    Also by ``package.module:factory``: a function, in any module that Python can import, that
    makes an ``nn.Module`` of a ``Domain``; see ``own.adapt``.

    Returns:
        The name as the field spells it, in whatever order its suffixes were given; and what
        makes the network for a domain.

    Raises:
        InputError: when there is none, with the nearest name.
    """
    name = name_of(name)
    if name.startswith(BACKBONE):
        return name, partial(_refused, name)
    if ":" in name:
        return name, imported(name)
    wanted = folded(name)
    for known in sorted(NETWORKS.names, key=len, reverse=True):
        if wanted.startswith(folded(known)):
            family: Any = NETWORKS[known]
            if not isinstance(family, Family):  # of an installed package
                family = Family(adapting(known, family))
            found = _suffixes(wanted.removeprefix(folded(known)), family.suffixes)
            if found is not None:
                options = _merged([family.suffixes[suffix] for suffix in found], name)
                return "".join([known, *found]), partial(family.factory, **options)
            if family.suffixes:
                endings = " ".join(family.suffixes)
                raise InputError(f"no model named {name!r}; {known} may be followed by {endings}")
    raise InputError(f"no model named {name!r}; {suggestion(name, NETWORKS.names)}")


def build(name: str | Model, domain: Domain, *, key: Key) -> Network:
    """Build a network by name for the images of a domain.

    Args:
        name: of a registered family, with suffixes; case and punctuation do not matter. Or
            ``package.module:factory``, or that class or function itself.
        domain: gives the shape of the images and the number of classes.
        key: the weights depend on nothing else.

    Raises:
        InputError: for an unknown name, or images too small for the network.
    """
    name = name_of(name)
    _, factory = find(name)
    require_key(key)
    of_kind(Domain, "the domain of a set (`data.domain`)", domain=domain)
    with key.scope():
        made = factory(domain)
    made.name = name
    return made


def builder(name: str | Model, domain: Domain, device: torch.device | str = "cpu") -> Build:
    """Return what builds networks of one name for one domain, on one device.

    Raises:
        InputError: for an unknown name, or a device that is not there.
    """
    find(name)
    of_kind(Domain, "the domain of a set (`data.domain`)", domain=domain)
    place = _device(device)

    def make(*, key: Key) -> Network:
        return build(name, domain, key=key)._apply(partial(moved, device=place))

    return make


def _device(device: Any) -> torch.device:
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        said = told(device) if isinstance(error, TypeError) else f"{told(device)}: {reason(error)}"
        raise InputError(f"`device` must be that of tensors, such as 'cpu', found {said}") from None
    return found


def _refused(name: str, domain: Domain) -> Network:
    raise InputError(
        f"{name} has features of images, but knows no classes: it can teach "
        "(`models_pool`, with `clom_distance='cosine'`), but cannot be trained or tested on "
        f"{domain.name}"
    )


def _suffixes(rest: str, known: Mapping[str, Options]) -> list[str] | None:
    found: list[str] = []
    while rest:
        fits = [suffix for suffix in known if rest.startswith(folded(suffix))]
        if not fits:
            return None
        found.append(max(fits, key=len))
        rest = rest.removeprefix(folded(found[-1]))
    return sorted(found, key=list(known).index)


def _merged(chosen: Sequence[Options], name: str) -> dict[str, Any]:
    counts = Counter(option for options in chosen for option in options)
    twice = [option for option, count in counts.items() if count > 1]
    if twice:
        raise InputError(f"model {name!r} gives its {twice[0]} more than once")
    return {option: value for options in chosen for option, value in options.items()}
