"""Sets of instructions that the kernels are built for, and which of them this machine has."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Generator
from contextvars import ContextVar
from dataclasses import dataclass

from datastill.base import machine

ASKED = "DATASTILL_INSTRUCTIONS"
"""The environment variable that asks for a set by its name, in place of the best."""


@dataclass(frozen=True)
class Instructions:
    """A set of instructions, and the blocks that suit its registers.

    Attributes:
        name: as people know it.
        machines: what ``platform.machine`` calls those that may have it.
        needs: the words by which the system says that processor and system have it.
        flags: by which a compiler builds for it, and for nothing that it lacks.
        lanes: numbers in a register: channels come in multiples of it.
        rows: of a product that is held in registers, two of them wide.
        tiles: of images whose products are found at once; as they lie in the caches of a core.
        tiles_back: the same, for gradients of weights.
        folded: channels of a first block from which on its norm is found before it is convolved,
            and folded into its weights; 0 where it never is.
    """

    name: str
    machines: tuple[str, ...]
    needs: frozenset[str]
    flags: tuple[str, ...]
    lanes: int
    rows: int
    tiles: int
    tiles_back: int
    folded: int

    @property
    def constants(self) -> tuple[str, ...]:
        """What the source is told."""
        names = ("lanes", "rows", "tiles", "tiles_back", "folded")
        return tuple(f"-DDATASTILL_{name.upper()}={getattr(self, name)}" for name in names)


X86 = ("x86_64", "AMD64")
AVX512 = Instructions(
    "avx512",
    X86,
    frozenset(("avx512f", "avx512vl", "avx512dq", "avx512bw", "avx2", "fma")),
    (
        *("-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mavx2", "-mfma"),
        "-mprefer-vector-width=512",
    ),
    lanes=16,
    rows=8,
    tiles=32,
    tiles_back=64,
    folded=0,
)
AVX2 = Instructions(
    "avx2",
    X86,
    frozenset(("avx2", "fma")),
    ("-mavx2", "-mfma", "-mprefer-vector-width=256"),
    lanes=8,
    rows=6,
    tiles=24,
    tiles_back=24,
    folded=64,
)
NEON = Instructions(
    "neon",
    ("aarch64", "arm64"),
    frozenset(("asimd",)),
    ("-march=armv8-a",),
    lanes=4,
    rows=8,
    tiles=32,
    tiles_back=64,
    folded=0,
)
SETS = (AVX512, AVX2, NEON)
"""All of them, the best first."""

_chosen: ContextVar[str] = ContextVar("instructions", default="")


def available() -> tuple[Instructions, ...]:
    """Return the sets that this processor and its system have, the best first."""
    words = machine.features()
    return tuple(
        each for each in SETS if platform.machine() in each.machines and each.needs <= words
    )


def asked() -> str:
    """Return the name of the set that was asked for, empty where the best is to be taken."""
    return _chosen.get() or os.environ.get(ASKED, "").strip().lower()


@contextlib.contextmanager
def choosing(name: str) -> Generator[None]:
    """Have the kernels built for a set of instructions, by its name, run inside the block."""
    before = _chosen.get()
    _chosen.set(name)
    try:
        yield
    finally:
        _chosen.set(before)


def found(name: str) -> Instructions | str:
    """Return the set of a name, or the best for an empty one; or say why there is none."""
    here = available()
    for each in here:
        if name in ("", each.name):
            return each
    if not name:
        return f"they are built for {_names(SETS)}, and this processor has none of them"
    if name not in {each.name for each in SETS}:
        return f"{ASKED} asks for {name!r}, which is none of {_names(SETS)}"
    return f"{ASKED} asks for {name}, and this processor has {_names(here) or 'none of them'}"


def _names(sets: tuple[Instructions, ...]) -> str:
    return ", ".join(each.name for each in sets)
