"""What a network is: features and logits of images; and the modes that it can be in."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Generator
from contextvars import ContextVar
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from datastill.base.errors import InputError
from datastill.base.wording import counted

Pass = Callable[[nn.Module, Tensor], Tensor]


def _as_it_is(body: nn.Module, images: Tensor) -> Tensor:
    return body(images)


_pass: ContextVar[Pass] = ContextVar("pass", default=_as_it_is)


@dataclass(frozen=True)
class Stages:
    """Where a network can be left before its end.

    Attributes:
        ends: how many of the body's layers have been passed at the end of each stage.
        middle: the stage, from 1, whose features are those of its middle layers: neither the pixels
            nor yet the classes.
    """

    ends: tuple[int, ...]
    middle: int


class Network(nn.Module):
    """A classifier made of features ``(N, C, H, W) -> (N, D)`` and a linear head."""

    name = ""
    """By which ``networks.build`` made it, for messages."""
    stages: Stages | None = None
    """Of a body that is an ``nn.Sequential``; None where it has none that are known."""

    def __init__(self, body: nn.Module, head: nn.Module, stages: Stages | None = None) -> None:
        super().__init__()
        self.body, self.head, self.stages = body, head, stages

    def embed(self, images: Tensor) -> Tensor:
        """Return the ``(N, D)`` features of ``(N, C, H, W)`` images."""
        return _pass.get()(self.body, images).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the ``(N, K)`` logits of ``(N, C, H, W)`` images."""
        return self.head(self.embed(images))


def features(network: Network, images: Tensor) -> Tensor:
    """Return what a network's head is given."""
    return network.embed(images)


def stage_of(network: Network, number: int) -> int:
    """Return the number of a stage, from 1, if a network has it.

    Args:
        network: any.
        number: from 1, or from the last, -1, on; 0 for the network's own middle.

    Raises:
        InputError: for a network that does not say where its stages end, or has fewer.
    """
    if network.stages is None:
        raise InputError(
            f"{network.name or 'this network'} does not say where its stages end; take one that "
            "does, as those of datastill do, ConvNet say"
        )
    count = len(network.stages.ends)
    if abs(number) > count:
        raise InputError(
            f"{network.name or 'this network'} has {counted(count, 'stage')}, and no stage {number}"
        )
    return (number or network.stages.middle) if number >= 0 else count + 1 + number


def features_after(network: Network, images: Tensor, *, stage: int) -> Tensor:
    """Return the ``(N, D)`` features after a stage of a network, see ``stage_of``."""
    number = stage_of(network, stage)
    assert network.stages is not None
    layers = list(network.body.children())[: network.stages.ends[number - 1]]
    return _pass.get()(nn.Sequential(*layers), images).flatten(1)


@contextlib.contextmanager
def passing(bodies: Pass) -> Generator[None]:
    """Send images through the bodies of networks in another way inside the ``with`` block.

    In the thread that enters it: others, whose blocks end in whatever order, do not notice.
    """
    before = _pass.get()
    _pass.set(bodies)
    try:
        yield
    finally:
        _pass.set(before)


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


KINDS = "container conv linear normalization activation pooling flatten"


def vectorisable(network: nn.Module) -> bool:
    """Tell whether ``torch.func`` is known to find many gradients of a network in one pass.

    That is, whether it is made of layers of this package and of PyTorch, of which none draws
    numbers or normalises by batches; nor whole images, which fails in bfloat16.
    """
    homes = ("datastill.", *(f"torch.nn.modules.{kind}" for kind in KINDS.split()))
    odd = nn.LayerNorm | nn.RReLU | nn.MultiheadAttention
    return all(
        type(part).__module__.startswith(homes) and not isinstance(part, odd)
        for part in network.modules()
    )


def has_batch_statistics(network: nn.Module) -> bool:
    """Tell whether a network normalises by the statistics of the batch it trains on."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def depends_on_batch(network: nn.Module) -> bool:
    """Tell whether, in its present modes, the output for an image depends on its batch."""
    return any(
        isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training
        for module in network.modules()
    )


def kernel_sizes(network: nn.Module) -> frozenset[tuple[int, ...]]:
    """Return the sizes of a network's convolution kernels, such as ``(3, 3)``; empty without."""
    return _make(network).kernel_sizes


def signature(network: nn.Module) -> str:
    """Describe how a network is made, the same for networks that differ in their weights alone."""
    return _make(network).signature


@dataclass(frozen=True)
class _Make:
    kernel_sizes: frozenset[tuple[int, ...]]
    signature: str


_makes: WeakKeyDictionary[nn.Module, _Make] = WeakKeyDictionary()


def _make(network: nn.Module) -> _Make:
    # Asked for at every step, and found out once.
    if network not in _makes:
        sizes = {tuple(weight.shape[2:]) for weight in network.parameters() if weight.ndim == 4}
        layers = re.sub(r" at 0x[0-9a-f]+", "", repr(network))
        held = [(name, tuple(value.shape)) for name, value in network.state_dict().items()]
        digest = hashlib.sha256(repr((layers, held)).encode()).hexdigest()
        _makes[network] = _Make(frozenset(sizes), digest)
    return _makes[network]
