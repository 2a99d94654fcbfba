"""What a network is, and how one is built by name."""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
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


def find(name: str) -> tuple[str, Callable[[Domain], Network]]:
    """Look up a network by a name such as ``ConvNetD4BN``.

    Also by ``package.module:factory``: a function, in any module that Python can import, that
    makes an ``nn.Module`` of a ``Domain``; see ``adapt``.

    Returns:
        The name as the field spells it, in whatever order its suffixes were given; and what
        makes the network for a domain.

    Raises:
        InputError: when there is none, with the nearest name.
    """
    if ":" in name:
        return name, _imported(name)
    wanted = plain(name)
    for known in sorted(NETWORKS.names, key=len, reverse=True):
        if wanted.startswith(plain(known)):
            family = NETWORKS[known]
            found = _suffixes(wanted.removeprefix(plain(known)), family.suffixes)
            if found is not None:
                options = _merged([family.suffixes[suffix] for suffix in found], name)
                return "".join([known, *found]), partial(family.factory, **options)
            if family.suffixes:
                endings = " ".join(family.suffixes)
                raise InputError(f"no model named {name!r}; {known} may be followed by {endings}")
    raise InputError(f"no model named {name!r}; {suggestion(name, NETWORKS.names)}")


def build(name: str, domain: Domain, *, key: Key) -> Network:
    """Build a network by name for the images of a domain.

    Args:
        name: of a registered family, with suffixes; case and punctuation do not matter. Or
            ``package.module:factory``.
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


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Generator[None]:
    """Put a network in evaluation mode inside the ``with`` block; then each part as it was.

    Part by part, for some of them may be frozen in evaluation mode within a network that trains.
    """
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def has_batch_statistics(network: nn.Module) -> bool:
    """Tell whether a network normalises by the statistics of the batch it trains on."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def depends_on_batch(network: nn.Module) -> bool:
    """Tell whether, in its present modes, the output for an image depends on its batch."""
    return any(
        isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training
        for module in network.modules()
    )


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
        raise InputError(f"{kind} fails on images of {domain.shape}: {_line(error)}") from error
    finally:
        for hook in hooks:
            hook.remove()
    found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if found != expected:
        raise InputError(f"{kind} gives {found} for 2 images of {domain.name}, not {expected}")
    return passed[-1] if passed else None


def _imported(name: str) -> Callable[[Domain], Network]:
    path, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(path)
    except Exception as error:
        raise InputError(f"no model {name!r}: {path!r} does not import: {_line(error)}") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        known = [known for known, value in vars(module).items() if callable(value)]
        hint = suggestion(attribute, known) if known else "it has no functions"
        raise InputError(f"no model {name!r}: {path} has no function {attribute!r}; {hint}")

    def make(domain: Domain) -> Network:
        made = factory(domain)
        if not isinstance(made, nn.Module):
            kind = type(made).__name__
            raise InputError(f"{name} gives {kind}, not an nn.Module, for a Domain")
        return adapt(made, domain)

    return make


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _suffixes(rest: str, known: Mapping[str, Options]) -> list[str] | None:
    found: list[str] = []
    while rest:
        fits = [suffix for suffix in known if rest.startswith(plain(suffix))]
        if not fits:
            return None
        found.append(max(fits, key=len))
        rest = rest.removeprefix(plain(found[-1]))
    return sorted(found, key=list(known).index)


def _merged(chosen: Sequence[Options], name: str) -> dict[str, Any]:
    counts = Counter(option for options in chosen for option in options)
    twice = [option for option, count in counts.items() if count > 1]
    if twice:
        raise InputError(f"model {name!r} gives its {twice[0]} more than once")
    return {option: value for options in chosen for option, value in options.items()}
