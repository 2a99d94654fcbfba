"""Networks of a person's own: any module that classifies, any function that makes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

from datastill.base.errors import InputError, of_kind, told
from datastill.base.own_code import brought, current_folder_last, placed
from datastill.data import Domain
from datastill.networks.base.network import Network, evaluating


def adapt(module: nn.Module, domain: Domain) -> Network:
    """Make a network of any module that classifies the images of a domain.

    Its features are what the module's own method ``embed`` returns or, without one, what the
    last linear layer is given. To find that layer, two blank images pass the module in
    evaluation mode.

    Args:
        module: from ``(N, C, H, W)`` images to ``(N, K)`` logits.
        domain: of the images.

    Returns:
        A network that holds the module itself, not a copy.

    Raises:
        InputError: when the module fails on such images, gives no ``(N, K)`` logits, or has
            neither ``embed`` nor a linear layer that ends in the logits.
    """
    of_kind(nn.Module, "an nn.Module, such as nn.Sequential(...)", module=module)
    of_kind(Domain, "the domain of a set (`data.domain`)", domain=domain)
    kind, classes = type(module).__name__, len(domain.classes)
    last = _last_linear(module, domain)
    if isinstance(module, Network):
        return module
    # Vision transformers have layers of that name, which embed patches: only a method will do.
    if inspect.isroutine(getattr(module, "embed", None)):
        return _Adapted(module, tap=None)
    if not isinstance(last, nn.Linear) or last.out_features != classes:
        raise InputError(
            f"{kind} has neither a method embed nor an nn.Linear that gives its {classes} logits"
        )
    tap = _Tap()
    last.register_forward_pre_hook(tap)
    return _Adapted(module, tap)


def imported(name: str) -> Callable[[Domain], Network]:
    """Return the function that ``package.module:factory`` names, its results adapted.

    The module may lie in the current folder, which is the last place to be looked in, and none once
    the module and its networks are made.

    Raises:
        InputError: when there is no such module or function; the function that is returned,
            when it fails, or what it makes is no network for its domain.
    """
    return adapting(name, brought(name, "model"))


def adapting(name: str, factory: Any) -> Callable[[Domain], Network]:
    """Return a function that makes networks of what a factory of others makes for a domain.

    Raises:
        InputError: for what cannot be called; the function that is returned, as for ``imported``.
    """
    if not callable(factory):
        raise InputError(f"the model {name} must be a function, found {told(factory)}")

    seen = set[Domain]()

    def make(domain: Domain) -> Network:
        try:
            with current_folder_last():
                made = factory(domain)
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{name} fails for a Domain: {placed(error)}") from error
        if not isinstance(made, nn.Module):
            kind = type(made).__name__
            raise InputError(f"{name} gives {kind}, not an nn.Module, for a Domain")
        with current_folder_last():
            _require_new(name, made)
            network = adapt(made, domain)
            if domain not in seen:  # once: methods make a network in every update
                _require_gradients(name, network, domain)
                seen.add(domain)
            return network

    return make


MADE: WeakSet[nn.Module] = WeakSet()
"""Modules that functions of others made, as long as they are there."""


def _require_new(name: str, made: nn.Module) -> None:
    if made in MADE:
        raise InputError(f"{name} gives the same module again, trained by now; make a new one")
    MADE.add(made)
    weights = list(made.parameters())
    if any(weight.is_meta for weight in weights):
        raise InputError(f"{name} gives weights without numbers, on the device meta; take the CPU")
    if weights and not any(weight.requires_grad for weight in weights):
        raise InputError(f"{name} gives weights none of which can be trained (requires_grad)")


def _require_gradients(name: str, network: Network, domain: Domain) -> None:
    # Of one image, which is learned itself: it stays as it is, and what is said of it has a row.
    device = next((weight.device for weight in network.parameters()), None)
    image = torch.zeros(1, *domain.shape, device=device, requires_grad=True)
    try:
        with torch.inference_mode(mode=False), torch.enable_grad(), evaluating(network):
            logits = network(image)
    except Exception as error:
        raise InputError(f"{name} fails on an image that is learned: {placed(error)}") from error
    if tuple(logits.shape) != (1, len(domain.classes)):
        raise InputError(f"{name} gives {tuple(logits.shape)} for one image, not one row")
    if not bool(torch.isfinite(logits).all()):
        raise InputError(f"{name} gives logits that are not finite numbers for a blank image")
    if not logits.requires_grad:
        raise InputError(f"{name} gives logits that no gradient leads through: leave out detach()")


class _Tap:
    # A hook that stays, mostly shut: torch cannot compile one that comes and goes with a call.
    def __init__(self) -> None:
        self.open = False
        self.caught: Tensor | None = None

    def __call__(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if self.open:
            self.caught = inputs[0]


class _Adapted(Network):
    module: Any

    def __init__(self, module: nn.Module, tap: _Tap | None) -> None:
        nn.Module.__init__(self)
        self.module, self.tap = module, tap

    def embed(self, images: Tensor) -> Tensor:
        if self.tap is None:
            return self.module.embed(images).flatten(1)
        self.tap.open = True
        try:
            self.module(images)
            caught = self.tap.caught
        finally:
            self.tap.open, self.tap.caught = False, None
        if caught is None:
            raise InputError(f"the last linear layer of {type(self.module).__name__} was passed by")
        return caught.flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.module(images)


def _last_linear(module: nn.Module, domain: Domain) -> nn.Module | None:
    kind, expected = type(module).__name__, (2, len(domain.classes))
    passed: list[nn.Module] = []

    def note(layer: nn.Module, _: tuple[Tensor, ...]) -> None:
        passed.append(layer)

    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    device = next((weight.device for weight in module.parameters()), None)
    try:
        with torch.no_grad(), evaluating(module):
            logits = module(torch.zeros(2, *domain.shape, device=device))
    except Exception as error:
        raise InputError(f"{kind} fails on images of {domain.shape}: {placed(error)}") from error
    finally:
        for hook in hooks:
            hook.remove()
    found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if found != expected:
        raise InputError(f"{kind} gives {found} for 2 images of {domain.name}, not {expected}")
    return passed[-1] if passed else None
