"""Explicit randomness: an immutable key names a stream; nothing else draws numbers."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Key:
    """The address of a random stream.

    The same address always gives the same numbers, whatever was drawn before it, so a run
    can be resumed, reordered or split over processes without changing its results.

    >>> root = Key(0)
    >>> root.at("network", 3) == root.at("network").at(3)
    True
    >>> root.at("network", 3) == root.at("network", 4)
    False
    """

    seed: int

    def at(self, *path: str | int) -> Key:
        """Return the key found by following ``path`` from this one."""
        seed = self.seed
        for step in path:
            digest = hashlib.blake2b(repr((seed, step)).encode(), digest_size=8).digest()
            seed = int.from_bytes(digest, "little") >> 1
        return Key(seed)

    def generator(self) -> torch.Generator:
        """Return a CPU generator at the start of this stream."""
        return torch.Generator().manual_seed(self.seed)

    def integer(self, below: int) -> int:
        """Draw one integer from ``0`` to ``below - 1``."""
        return int(torch.randint(below, (), generator=self.generator()))

    @contextlib.contextmanager
    def scope(self) -> Generator[None]:
        """Make torch's global generator follow this stream inside the ``with`` block.

        Only for code that offers no generator argument (``nn.Module`` initialisers).
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)  # the CPU's alone
            yield


def moved(drawn: Tensor, device: torch.device) -> Tensor:
    """Copy what is on the CPU to where it is needed, without waiting for work under way there.

    A copy from memory that the system may page out can wait for all that a GPU has still to do,
    even when it is asked not to: hence the pinned memory.
    """
    source = drawn.pin_memory() if device.type == "cuda" else drawn
    return source.to(device, non_blocking=True)
