"""How a network is run over many images: what changes is the time, not the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from datastill.base.errors import in_plain_numbers, of_kind, truth, whole
from datastill.compute import cores, kernels, measuring, timing
from datastill.compute.arithmetic import (
    ChannelsLast,
    Precision,
    casting,
    filled,
    fused,
    joined,
    multiplying,
    require_precision,
)
from datastill.compute.engine import forced, tell_what_is_missing
from datastill.compute.rewording import Reworded
from datastill.data.pixels import ready
from datastill.networks.base.network import (
    Network,
    depends_on_batch,
    features,
    has_batch_statistics,
    kernel_sizes,
)

CHUNK_PIXELS = 128 * 28 * 28
EAGER_CHUNK_PIXELS = 32 * 28 * 28
GPU_CHUNK_PIXELS = 4096 * 32 * 32
TOGETHER = 4096 * 32 * 32
"""Pixels of images, all channels counted once, whose way through a network is kept in memory at
once, until their gradient is found."""
SIZES = (32, 128)
"""Images of 28x28 pixels in a chunk, which the fastest layers are tried with."""

Run = Callable[[Any, Tensor], Tensor]
"""A way through a network: its ``logits``, or its ``features``."""


@dataclass(frozen=True)
class Route:
    """The way images take through a network.

    Attributes:
        chunk: images that go through at once; None for all. On a CPU, small chunks stay in its
            caches: without kernels, the published ConvNet passes 2,560 images of 28x28 pixels in
            a third of the time by 32. ``"auto"`` means as many as have the pixels of 128 such
            images, or of 32 without kernels; on a GPU those of 4,096 images of 32x32 pixels, which
            give it enough to do.
        kernels: on a CPU, use the kernels of this package where they serve and a compiler is
            there to build them; see ``kernels.missing``. ``"auto"`` means what is fastest for the
            network at hand: that is measured once for each architecture and size of images on a
            machine and remembered, see ``tuning``; the environment variable ``DATASTILL_ENGINE``
            (kernels or plain) answers without measuring.
        compiled: fuse the layers by ``torch.compile``, which costs seconds once for each
            architecture and number of images. It takes the place of the kernels.
        precision: of the layers that gain by it; weights, sums and losses stay float32, and so do
            synthetic images in distilling. The kernels know float32 alone. ``"tf32"`` lets a GPU
            round whatever it multiplies to 10 bits, as PyTorch lets convolutions by default; on a
            CPU it is float32.
        channels_last: without kernels, give convolutions their images channels last.
        reworded: without kernels, say norms and pools in other words, see ``Reworded``.
        at_once: find the gradients of all classes in one vectorised pass, where a method matches
            gradients and classes have equal numbers of images. None: on a GPU, which a class at a
            time leaves idle; a CPU is slower that way.
        tracked: images whose way through a network is kept at once, until their gradient is found.
            More go in turns, and a second time when their gradient is asked for. None: as many as
            have ``TOGETHER`` pixels.
    """

    chunk: int | Literal["auto"] | None = "auto"
    kernels: bool | Literal["auto"] = "auto"
    compiled: bool = False
    precision: Precision = "float32"
    channels_last: bool = False
    reworded: bool = False
    at_once: bool | None = None
    tracked: int | None = None

    def __post_init__(self) -> None:
        if not (self.chunk is None or (isinstance(self.chunk, str) and self.chunk == "auto")):
            whole(chunk=self.chunk)
        whole(tracked=1 if self.tracked is None else self.tracked)
        if not (isinstance(self.kernels, str) and self.kernels == "auto"):
            of_kind(bool, "True, False or 'auto'", kernels=self.kernels)
        of_kind((bool, type(None)), "True, False or None", at_once=self.at_once)
        truth(compiled=self.compiled, channels_last=self.channels_last, reworded=self.reworded)
        require_precision(self.precision)
        in_plain_numbers(self, "tracked", *(() if self.chunk == "auto" else ("chunk",)))

    @property
    def exact(self) -> Route:
        """The same layer by layer, and not in bfloat16: for synthetic images."""
        precision = "float32" if self.precision == "bfloat16" else self.precision
        return replace(self, precision=precision, compiled=False)

    def facts(self) -> dict[str, Any]:
        """Return its settings, and what kept the kernels from being used if they were wanted.

        That is told of plain layers too, which ``"auto"`` takes for want of kernels. Of ``"auto"``
        also what this process chose so far.
        """
        wanted = self.kernels or tell_what_is_missing.cache_info().currsize
        found = {**asdict(self), "without_kernels": kernels.missing() if wanted else ""}
        if self.kernels == "auto":
            found["chosen"] = {choice.of: choice.way for choice in measuring.chosen().values()}
        return found

    def by_kernels(self, images: Tensor) -> bool:
        """Tell whether images go through the kernels, of a route that is settled."""
        wanted = self.kernels is True and not self.compiled and self.precision == "float32"
        return wanted and images.device.type == "cpu" and not kernels.missing()

    def settled(self, network: nn.Module, images: Tensor) -> Route:
        """Return the route that ``"auto"`` means for a network, and images ``(N, C, H, W)``.

        The first time that anybody asks for an architecture it is measured, on a copy of the
        network: see ``choose``.

        Raises:
            InputError: when ``DATASTILL_ENGINE`` says what there is not.
        """
        if self.kernels != "auto":
            return self
        asked, device = forced(), images.device
        if asked:
            return replace(self, kernels=asked == "kernels")
        told = self.compiled or self.channels_last or self.reworded or self.precision == "bfloat16"
        if told or not kernel_sizes(network) or device.type not in ("cpu", "cuda"):
            return replace(self, kernels=False)
        choice = choose(network, images.shape[1:], device)
        kept = {"precision": self.precision, "at_once": self.at_once, "tracked": self.tracked}
        found = replace(candidates(network, images.shape[1:], device)[choice.way], **kept)
        return found if self.chunk == "auto" else replace(found, chunk=self.chunk)

    def vectorises(self, images: Tensor) -> bool:
        """Tell whether the gradients of all classes of images are found at once."""
        return images.device.type != "cpu" if self.at_once is None else self.at_once

    def arithmetic(self, device: torch.device) -> AbstractContextManager[None]:
        """Let a GPU multiply as the precision says inside the ``with`` block, backward too."""
        return multiplying(device, self.precision)

    def split(self, images: Tensor, network: nn.Module) -> list[tuple[Tensor, int]]:
        """Cut a batch into chunks of one size.

        A network that normalises by the statistics of its batch sees it whole.

        Returns:
            Chunks, and how many images of each count: the last may be filled up by blank ones.
        """
        if self.chunk is None or depends_on_batch(network):
            return [(images, len(images))]
        pieces = max(1, -(-len(images) // self.settled(network, images).most(images)))
        size = -(-len(images) // pieces)
        if not self.compiled:
            return [(piece, len(piece)) for piece in images.split(size)]
        return [(filled(piece, size), len(piece)) for piece in images.split(size)]

    def run(
        self, through: Run, network: nn.Module, images: Tensor, *, twice: bool = False
    ) -> Tensor:
        """Pass one chunk through a network.

        Args:
            through: ``logits`` or ``features``.
            network: any.
            images: ``(N, C, H, W)``.
            twice: the result shall be differentiable twice, which what is compiled is not.
        """
        images = ready(images)
        way = self.settled(network, images)
        if way.by_kernels(images):
            if not kernels.whole(network, images):
                cores.needed()
            with kernels.lowered(twice=twice):
                return through(network, images)
        cores.needed()
        order = ChannelsLast() if way.channels_last and not way.compiled else nullcontext()
        words = Reworded() if way.reworded and not way.compiled else nullcontext()
        with order, words, way.casting(images.device):
            found = (fused(through) if way.compiled and not twice else through)(network, images)
            return found.float() if way.precision == "bfloat16" else found

    def casting(self, device: torch.device) -> AbstractContextManager[Any]:
        """Let layers that gain by it compute in bfloat16 inside the block, if that is asked for."""
        return casting(device, self.precision)

    @torch.no_grad()
    def over(self, through: Run, network: nn.Module, images: Tensor) -> Tensor:
        """Pass all images through a network, without gradients."""
        way = self.settled(network, images)
        parts = way.split(images, network)
        with way.arithmetic(images.device), cores.shared(images.device):
            said = (way.run(through, network, part)[:count] for part, count in parts)
            return joined(said, len(images))

    def in_turns(
        self,
        see: Callable[[Tensor], Tensor],
        images: Tensor,
        network: nn.Module,
        shape: Sequence[int] | None = None,
    ) -> Tensor:
        """Pass images, differentiably, and keep the way of no more than ``tracked`` at once.

        Args:
            see: passes some of them, see ``run``; it is done again for their gradient.
            images: ``(N, C, H, W)``.
            network: through which; one that normalises by its batch sees all at once.
            shape: ``(C, H, W)`` that it is shown, if not theirs.
        """
        most = self.at_most(shape or images.shape[1:])
        if len(images) <= most or depends_on_batch(network):
            return see(images)
        parts = images.split(most)
        if not (torch.is_grad_enabled() and images.requires_grad):
            return torch.cat([see(part) for part in parts])
        again: Any = partial(checkpoint, see, use_reentrant=False, preserve_rng_state=False)
        return torch.cat([again(part) for part in parts])

    def at_most(self, shape: Sequence[int]) -> int:
        """Return how many images of a shape ``(C, H, W)`` are tracked at once."""
        height, width = shape[-2:]
        return max(1, TOGETHER // (height * width)) if self.tracked is None else self.tracked

    def most(self, images: Tensor) -> int:
        """Return how many of such images, ``(N, C, H, W)``, go through at once if they are cut."""
        if isinstance(self.chunk, int):
            return self.chunk
        height, width = images.shape[-2:]
        if images.device.type != "cpu":
            return max(1, GPU_CHUNK_PIXELS // (height * width))
        pixels = CHUNK_PIXELS if self.by_kernels(images) else EAGER_CHUNK_PIXELS
        return max(1, pixels // (height * width))


def require_route(**routes: Any) -> None:
    """Refuse what is no route."""
    of_kind(Route, "a Route, such as Route(kernels=False)", **routes)


PLAIN = Route(chunk=None, kernels=False)
"""Everything at once, eagerly: the oracle that other routes are held against."""


def logits(network: nn.Module, images: Tensor) -> Tensor:
    """Return what a network says of images."""
    return network(images)


def choose(network: nn.Module, shape: Sequence[int], device: torch.device) -> measuring.Answer:
    """Return which candidate is the fastest, measured now if nobody has before.

    Args:
        network: is copied, and left as it is.
        shape: of an image, ``(C, H, W)``.
        device: where.
    """
    built = kernels.instructions() if device.type == "cpu" else ""
    if device.type == "cpu":
        tell_what_is_missing()
    ways = {
        name: partial(_passes, route) for name, route in candidates(network, shape, device).items()
    }
    return timing.choose(network, shape, device, ways, built=built)


def candidates(network: nn.Module, shape: Sequence[int], device: torch.device) -> dict[str, Route]:
    """Return what is tried, by name: layers, the usual ones first, and chunks of other sizes."""
    plain = Route(kernels=False)
    found = {"plain": plain, "channels last": replace(plain, channels_last=True)}
    if device.type != "cpu":
        return {**found, "reworded": replace(plain, reworded=True)}
    if (3, 3) in kernel_sizes(network) and not kernels.missing():
        found = {"kernels": Route(kernels=True), **found}
    if not has_batch_statistics(network):  # else it sees its batch whole
        for name, route in list(found.items()):
            usual = CHUNK_PIXELS if route.kernels else EAGER_CHUNK_PIXELS
            for size in (size for size in SIZES if size * 28 * 28 != usual):
                chunk = max(1, size * 28 * 28 // (shape[1] * shape[2]))
                found[f"{name}, {chunk} at once"] = replace(route, chunk=chunk)
    return found


def _passes(route: Route, network: nn.Module, images: Tensor) -> Iterator[Tensor]:
    through: Run = features if isinstance(network, Network) else logits
    for chunk, count in route.split(images, network):
        yield route.run(through, network, chunk)[:count]
