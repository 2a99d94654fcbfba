"""What kernels are built from: one source, flags, and sets of instructions with their blocks.

Wheels are built by it too (``hatch_build.py``), where neither PyTorch nor datastill is installed:
it imports nothing but what comes with Python.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("layers.cpp")
FLAGS = (
    *("-std=c++17", "-O3", "-fopenmp", "-fPIC", "-shared"),
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"),
)


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

    @property
    def options(self) -> tuple[str, ...]:
        """All that a compiler is told, besides files."""
        return (*FLAGS, *self.flags, *self.constants)


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
    # Where the loop of a product begins would be a matter of luck, and that of 3 % of a pass.
    ("-mavx2", "-mfma", "-mprefer-vector-width=256", "-falign-loops=64"),
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


def built_name(source: Path, best: Instructions, *more: str) -> str:
    """Return how the name of a library for a set of instructions begins.

    It says what the library follows from: its source, flags, and whatever else there is.
    """
    recipe = "\n".join([source.read_text(encoding="utf-8"), *more, *best.options])
    return f"layers-{best.name}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"


def named(name: str, file: Path) -> str:
    """Return what a library is called, by what is in it."""
    return f"{name}-{hashlib.sha256(file.read_bytes()).hexdigest()[:16]}.so"


def shipped_name(best: Instructions) -> str:
    """Return how the name of a wheel's library for a set of instructions begins.

    Whose compiler built it is not part of it, as where it is used there may be none.
    """
    return built_name(SOURCE, best)
