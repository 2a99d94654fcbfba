"""Explicit randomness: an immutable key names a stream; nothing else draws numbers."""

from __future__ import annotations

import contextlib
import hashlib
import operator
import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datastill.base.errors import InputError, of_kind, told

SEEDS = -(2**63), 2**64 - 1
"""The least and the largest that torch's generators take."""

_GLOBAL = threading.RLock()
"""Held by the thread that torch's global generator follows: a process has only one."""


@dataclass(frozen=True)
class Key:
    """The address of a random stream.

    The same address always gives the same numbers, whatever was drawn before it, so a run
    can be resumed, reordered or split over processes without changing its results.

    Attributes:
        seed: a whole number; ``InputError`` for anything else, or one that torch does not take.

    >>> root = Key(0)
    >>> root.at("network", 3) == root.at("network").at(3)
    True
    >>> root.at("network", 3) == root.at("network", 4)
    False
    """

    seed: int

    def __post_init__(self) -> None:
        seed = canonical(self.seed)
        if isinstance(seed, str | bool) or not SEEDS[0] <= seed <= SEEDS[1]:
            raise InputError(
                f"a seed is a whole number from -2**63 to 2**64 - 1, found {told(self.seed)}"
            )
        object.__setattr__(self, "seed", seed)

    def at(self, *path: str | int) -> Key:
        """Return the key found by following ``path`` from this one.

        A number is the same step whatever type holds it: Python's, NumPy's or torch's.

        Raises:
            InputError: for a step that is neither text nor a whole number.
        """
        seed = self.seed
        for step in map(canonical, path):
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

        Only for code that offers no generator argument (``nn.Module`` initialisers). Other threads
        that ask for it wait until the block ends.
        """
        with _GLOBAL, torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)  # the CPU's alone
            yield


def canonical(step: Any) -> str | int:
    """Return a step of an address as the Python value that its digest is made of.

    Raises:
        InputError: for what can be written in more ways than one, or in none.

    >>> canonical(np.int64(3)), canonical(torch.tensor(3)), canonical(np.str_("a"))
    (3, 3, 'a')
    >>> canonical(0.5)
    Traceback (most recent call last):
    ...
    datastill.base.errors.InputError: a step of an address is text or a whole number, found 0.5
    """
    if isinstance(step, str):
        return str.__str__(step)  # of a subclass too, whatever it says of itself
    if isinstance(step, Tensor) and step.ndim == 0 and step.dtype == torch.bool:
        return bool(step)
    if isinstance(step, bool | np.bool_):
        return bool(step)
    with contextlib.suppress(Exception):  # what is no number says so in its own way
        if not getattr(step, "ndim", 0):
            return int(operator.index(step))
    raise InputError(f"a step of an address is text or a whole number, found {told(step)}")


def require_key(key: object) -> None:
    """Refuse what is no key.

    Raises:
        InputError: saying how to make one.
    """
    of_kind(Key, "a Key, such as Key(0)", key=key)


def moved(drawn: Tensor, device: torch.device) -> Tensor:
    """Copy what is on the CPU to where it is needed, without waiting for work under way there.

    A copy from memory that the system may page out can wait for all that a GPU has still to do,
    even when it is asked not to: hence the pinned memory.
    """
    source = drawn.pin_memory() if device.type == "cuda" else drawn
    return source.to(device, non_blocking=True)
