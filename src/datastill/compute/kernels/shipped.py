"""Kernels that came inside of a wheel: of this very source, whole, or not used."""

from __future__ import annotations

from pathlib import Path

from datastill.compute.kernels.building import Unavailable
from datastill.compute.kernels.source import SOURCE, Instructions, named, shipped_name

FOLDER = SOURCE.with_name("prebuilt")
"""Where a wheel has them; an installation from source has no such folder."""


def shipped(best: Instructions) -> Path | None:
    """Return the file of the kernels for a set of instructions, None where none came along.

    Its name says what it was built from, source and flags, and what is in it. Whoever can write
    where it lies can change datastill's own modules as well: whose the folder is is not asked.

    Raises:
        Unavailable: where what came along was cut off, or is of another source.
    """
    there = sorted(FOLDER.glob(f"layers-{best.name}-*.so"))
    name = shipped_name(best)
    for file in there:
        if file.name == named(name, file):
            return file
    if there:
        raise Unavailable("the kernels that came with datastill are damaged, or of another version")
    return None
