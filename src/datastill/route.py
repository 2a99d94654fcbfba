"""How a network is run over many images: what changes is the time, not the result."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from datastill import kernels
from datastill.networks import depends_on_batch
from datastill.pixels import ready

CHUNK_PIXELS = 128 * 28 * 28
EAGER_CHUNK_PIXELS = 32 * 28 * 28
GPU_CHUNK_PIXELS = 4096 * 32 * 32
Precision = Literal["float32", "tf32", "bfloat16"]
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
            there to build them; see ``kernels.missing``.
        compiled: fuse the layers by ``torch.compile``, which costs seconds once for each
            architecture and number of images. It takes the place of the kernels.
        precision: of the layers that gain by it; weights, sums and losses stay float32, and so do
            synthetic images in distilling. The kernels know float32 alone. ``"tf32"`` lets a GPU
            round whatever it multiplies to 10 bits, as PyTorch lets convolutions by default; on a
            CPU it is float32.
        channels_last: without kernels, give convolutions their images channels last.
        at_once: find the gradients of all classes in one vectorised pass, where a method matches
            gradients and classes have equal numbers of images. None: on a GPU, which a class at a
            time leaves idle; a CPU is slower that way.
    """

    chunk: int | Literal["auto"] | None = "auto"
    kernels: bool = True
    compiled: bool = False
    precision: Precision = "float32"
    channels_last: bool = False
    at_once: bool | None = None

    @property
    def exact(self) -> Route:
        """The same layer by layer, and not in bfloat16: for synthetic images."""
        precision = "float32" if self.precision == "bfloat16" else self.precision
        return replace(self, precision=precision, compiled=False)

    def facts(self) -> dict[str, Any]:
        """Return its settings, and what kept the kernels from being used if they were wanted."""
        return {**asdict(self), "without_kernels": kernels.missing() if self.kernels else ""}

    def by_kernels(self, images: Tensor) -> bool:
        """Tell whether images go through the kernels."""
        wanted = self.kernels and not self.compiled and self.precision == "float32"
        return wanted and images.device.type == "cpu" and not kernels.missing()

    def vectorises(self, images: Tensor) -> bool:
        """Tell whether the gradients of all classes of images are found at once."""
        return images.device.type != "cpu" if self.at_once is None else self.at_once

    @contextlib.contextmanager
    def arithmetic(self, device: torch.device) -> Generator[None]:
        """Let a GPU multiply as the precision says inside the ``with`` block, backward too.

        PyTorch has one switch for a process, which stands afterwards as it stood before.
        """
        if device.type == "cpu":
            yield
            return
        matmul: Any = torch.backends.cuda.matmul
        cudnn: Any = torch.backends.cudnn
        before = matmul.allow_tf32, cudnn.allow_tf32
        matmul.allow_tf32 = cudnn.allow_tf32 = self.precision == "tf32"
        try:
            yield
        finally:
            matmul.allow_tf32, cudnn.allow_tf32 = before

    def split(self, images: Tensor, network: nn.Module) -> list[tuple[Tensor, int]]:
        """Cut a batch into chunks of one size.

        A network that normalises by the statistics of its batch sees it whole.

        Returns:
            Chunks, and how many images of each count: the last may be filled up by blank ones.
        """
        if self.chunk is None or depends_on_batch(network):
            return [(images, len(images))]
        pieces = max(1, -(-len(images) // self.most(images)))
        size = -(-len(images) // pieces)
        if not self.compiled:
            return [(piece, len(piece)) for piece in images.split(size)]
        return [(_filled(piece, size), len(piece)) for piece in images.split(size)]

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
        if self.by_kernels(images):
            with kernels.lowered(twice=twice):
                return through(network, images)
        if self.channels_last and not self.compiled:
            with ChannelsLast():
                return self._layers(through, network, images)
        return self._layers(
            fused(through) if self.compiled and not twice else through, network, images
        )

    def casting(self, device: torch.device) -> contextlib.AbstractContextManager[Any]:
        """Let layers that gain by it compute in bfloat16 inside the block, if that is asked for."""
        if self.precision != "bfloat16":
            return contextlib.nullcontext()
        # What is cast inside a transform of torch.func must not be found again outside of it.
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)

    def _layers(self, through: Run, network: nn.Module, images: Tensor) -> Tensor:
        with self.casting(images.device):
            found = through(network, images)
            return found.float() if self.precision == "bfloat16" else found

    @torch.no_grad()
    def over(self, through: Run, network: nn.Module, images: Tensor) -> Tensor:
        """Pass all images through a network, without gradients."""
        parts = self.split(images, network)
        with self.arithmetic(images.device):
            return torch.cat([self.run(through, network, part)[:count] for part, count in parts])

    def most(self, images: Tensor) -> int:
        """Return how many of such images, ``(N, C, H, W)``, go through at once if they are cut."""
        if isinstance(self.chunk, int):
            return self.chunk
        height, width = images.shape[-2:]
        if images.device.type != "cpu":
            return max(1, GPU_CHUNK_PIXELS // (height * width))
        pixels = CHUNK_PIXELS if self.by_kernels(images) else EAGER_CHUNK_PIXELS
        return max(1, pixels // (height * width))


class ChannelsLast(TorchFunctionMode):
    """Gives convolutions their images channels last; the layers behind them follow."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d:
            args = (args[0].contiguous(memory_format=torch.channels_last), *args[1:])
        return func(*args, **(kwargs or {}))


PLAIN = Route(chunk=None, kernels=False)
"""Everything at once, eagerly: the oracle that other routes are held against."""


def logits(network: nn.Module, images: Tensor) -> Tensor:
    """Return what a network says of images."""
    return network(images)


def _filled(images: Tensor, size: int) -> Tensor:
    # One size means one compiled program; blank images cost less than compiling another.
    return images if len(images) == size else F.pad(images, (0,) * 7 + (size - len(images),))


@cache
def fused(function: Any) -> Any:
    """Return what ``torch.compile`` makes of a function, the same for the same function."""
    # The weights are inputs of what is compiled: networks of one architecture share it. Each
    # architecture, size and mode counts as one entry, and the default of 8 entries is soon full.
    torch._dynamo.config.recompile_limit = 256
    return torch.compile(function, dynamic=False)
