"""How a network is run over many images: what changes is the time, not the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datastill.networks import depends_on_batch
from datastill.pixels import ready

CHUNK_PIXELS = 32 * 28 * 28
Precision = Literal["float32", "bfloat16"]
Run = Callable[[Any, Tensor], Tensor]
"""A way through a network: its logits, or its features."""


@dataclass(frozen=True)
class Route:
    """The way images take through a network.

    Attributes:
        chunk: images that go through at once; None for all. On a CPU, small chunks stay in its
            caches: the published ConvNet passes 2,560 images of 28x28 pixels in a third of the
            time by 32. ``"auto"`` means as many as have the pixels of 32 such images.
        compiled: fuse the layers by ``torch.compile``, which costs seconds once for each
            architecture and number of images.
        precision: of the layers that gain by it; weights, sums and losses stay float32.
    """

    chunk: int | Literal["auto"] | None = "auto"
    compiled: bool = False
    precision: Precision = "float32"

    def split(self, images: Tensor, network: nn.Module) -> list[tuple[Tensor, int]]:
        """Cut a batch into chunks of one size.

        A network that normalises by the statistics of its batch sees it whole; so
        does a GPU, which has nothing to gain.

        Returns:
            Chunks, and how many images of each count: the last may be filled up by blank ones.
        """
        whole = depends_on_batch(network)
        if self.chunk is None or whole or images.device.type != "cpu":
            return [(images, len(images))]
        height, width = images.shape[-2:]
        fit = max(1, CHUNK_PIXELS // (height * width)) if self.chunk == "auto" else self.chunk
        pieces = max(1, -(-len(images) // fit))
        size = -(-len(images) // pieces)
        return [(_filled(piece, size), len(piece)) for piece in images.split(size)]

    def run(self, through: Run, network: nn.Module, images: Tensor) -> Tensor:
        """Pass one chunk through a network."""
        route, images = _compiled(through) if self.compiled else through, ready(images)
        if self.precision == "float32":
            return route(network, images)
        with torch.autocast(images.device.type, torch.bfloat16):
            return route(network, images).float()

    @torch.no_grad()
    def over(self, through: Run, network: nn.Module, images: Tensor) -> Tensor:
        """Pass all images through a network, without gradients."""
        parts = self.split(images, network)
        return torch.cat([self.run(through, network, part)[:count] for part, count in parts])


PLAIN = Route(chunk=None)
"""Everything at once, eagerly: the oracle that other routes are held against."""


def logits(network: nn.Module, images: Tensor) -> Tensor:
    """Return what a network says of images."""
    return network(images)


def _filled(images: Tensor, size: int) -> Tensor:
    # One size means one compiled program; blank images cost less than compiling another.
    return images if len(images) == size else F.pad(images, (0,) * 7 + (size - len(images),))


@cache
def _compiled(through: Run) -> Run:
    # The weights are inputs of what is compiled: networks of one architecture share it. Each
    # architecture, size and mode counts as one entry, and the default of 8 entries is soon full.
    torch._dynamo.config.recompile_limit = 256
    return torch.compile(through, dynamic=False)
