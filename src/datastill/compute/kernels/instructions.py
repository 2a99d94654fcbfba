"""Which of the sets of instructions that kernels are built for this machine has, and uses."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Generator
from contextvars import ContextVar

from datastill.base import machine
from datastill.compute.kernels.source import SETS, Instructions

ASKED = "DATASTILL_INSTRUCTIONS"
"""The environment variable that asks for a set by its name, in place of the best."""

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
