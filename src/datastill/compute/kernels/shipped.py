"""Kernels that came inside of a wheel: of this very source, whole, or not used."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import torch

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


class Place(ctypes.Structure):
    """Where a symbol lies, as ``dladdr`` says it."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def share_openmp() -> None:
    """Let what is loaded from now on find the OpenMP that PyTorch runs by.

    Its builds for x86-64 offer it to everybody; those for aarch64 keep it to themselves.

    Raises:
        OSError: where PyTorch's library, or an OpenMP in it, is not to be found.
    """
    library = ctypes.CDLL(str(Path(torch.__file__).with_name("lib") / "libtorch_cpu.so"))
    if not hasattr(library, "GOMP_parallel"):
        raise OSError("PyTorch was built without OpenMP")
    place = Place()
    address = ctypes.cast(library.GOMP_parallel, ctypes.c_void_p)
    if not ctypes.CDLL(None).dladdr(address, ctypes.byref(place)):
        raise OSError("PyTorch's OpenMP is not to be found")
    ctypes.CDLL(os.fsdecode(place.file), ctypes.RTLD_GLOBAL)
