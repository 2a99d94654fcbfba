"""The compiled kernels: built once for each set of instructions, by the compiler that is there."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datastill import machine
from datastill.kernels.instructions import Instructions, asked, found

SOURCE = Path(__file__).with_name("layers.cpp")
FLAGS = (
    *("-std=c++17", "-O3", "-fopenmp", "-fPIC", "-shared"),
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"),
)
BUILD_SECONDS = 120


@dataclass(frozen=True, eq=False)
class Library:
    """Kernels that were loaded, and what they were built for."""

    instructions: Instructions
    loaded: ctypes.CDLL

    @property
    def lanes(self) -> int:
        """Numbers that a register holds: channels come in multiples of it."""
        return self.instructions.lanes

    def call(self, name: str, *values: Tensor | int | float | None) -> None:
        """Call a kernel by its name, with tensors whose memory it reads and writes."""
        self.loaded.use_threads(torch.get_num_threads())
        getattr(self.loaded, name)(*map(_argument, values))


def library() -> Library | None:
    """Return the kernels for the set of instructions in use; None where there are none."""
    known = _known()
    return None if isinstance(known, str) else known


def missing() -> str:
    """Say what keeps the kernels from being used here, or nothing.

    Returns:
        One phrase, such as ``"no g++ was found"``; empty where they can be used.
    """
    known = _known()
    return known if isinstance(known, str) else ""


def instructions() -> str:
    """Return the name of the set of instructions that the kernels use, empty without kernels."""
    known = _known()
    return "" if isinstance(known, str) else known.instructions.name


def _known() -> Library | str:
    if platform.system() != "Linux":
        return f"they are built on Linux, and this is {platform.system()}"
    best = found(asked())
    return best if isinstance(best, str) else _loaded(best)


@cache
def _loaded(best: Instructions) -> Library | str:
    # The kernels for a set of instructions; or what keeps them from being used.
    compiler = _compiler()
    if compiler is None:
        return "no g++ was found"
    try:
        built = _built(compiler, best)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        return f"they could not be built: {str(said).strip().splitlines()[0][:200]}"
    machine.keep_memory()
    return Library(best, ctypes.CDLL(str(built)))


def _compiler() -> str | None:
    return shutil.which(os.environ.get("CXX", "g++")) or shutil.which("g++")


def _built(compiler: str, best: Instructions) -> Path:
    # Another source, compiler or set of instructions: another file. So processors of one kind, and
    # of several kinds, can share a home.
    flags = (
        *FLAGS,
        *best.flags,
        f"-DDATASTILL_LANES={best.lanes}",
        f"-DDATASTILL_ROWS={best.rows}",
    )
    recipe = "\n".join([SOURCE.read_text(), _said(compiler, "--version"), *flags])
    folder = machine.cache_folder()
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    built = folder / f"layers-{best.name}-{digest}.so"
    if built.is_file():
        return built
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch) / built.name
        command = [compiler, *flags, str(SOURCE), "-o", str(made)]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=BUILD_SECONDS)
        made.replace(built)
    return built


def _said(*command: str) -> str:
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, input="")
    return told.stdout + told.stderr


def _argument(value: Tensor | int | float | None) -> Any:
    if isinstance(value, int):
        return ctypes.c_int64(value)
    if isinstance(value, float):
        return ctypes.c_float(value)
    if value is None:
        return ctypes.c_void_p(None)
    # A last look: what is read through a pointer has nothing but its address.
    whole = value.is_contiguous() or value.is_contiguous(memory_format=torch.channels_last)
    if not (whole and value.dtype is torch.float32 and value.device.type == "cpu"):
        raise RuntimeError(f"no operand of a kernel: {value.dtype}, {value.stride()}")
    return ctypes.c_void_p(value.data_ptr())
