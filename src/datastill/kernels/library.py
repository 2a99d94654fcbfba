"""The compiled kernels: built once on each machine, by the compiler that is there."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from datastill import machine

SOURCE = Path(__file__).with_name("layers.cpp")
FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fPIC", "-shared"),
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"),
)
WIDE = "-mprefer-vector-width=512"
BUILD_SECONDS = 120


@cache
def library() -> ctypes.CDLL | None:
    """Return the kernels, or None where they cannot be built: see ``missing``."""
    if missing():
        return None
    machine.keep_memory()
    return ctypes.CDLL(str(_built()))


@cache
def missing() -> str:
    """Say what keeps the kernels from being used here, or nothing.

    Returns:
        One phrase, such as ``"no g++ was found"``; empty where they can be used.
    """
    if platform.system() != "Linux":
        return f"they are built on Linux, and this is {platform.system()}"
    if platform.machine() not in ("x86_64", "AMD64", "aarch64"):
        return f"they are not built for {platform.machine()}"
    if not _compiler():
        return "no g++ was found"
    try:
        _built()
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        return f"they could not be built: {str(said).strip().splitlines()[0][:200]}"
    return ""


def _compiler() -> str | None:
    return shutil.which(os.environ.get("CXX", "g++")) or shutil.which("g++")


@cache
def _built() -> Path:
    # Another processor behind the same home, another compiler or source: another file.
    compiler = _compiler()
    assert compiler is not None
    version = _said(compiler, "--version")
    native = _said(compiler, "-march=native", "-E", "-v", "-", "-x", "c++")
    recipe = "\n".join([SOURCE.read_text(), version, native, machine.processor(), *FLAGS])
    folder = machine.cache_folder()
    built = folder / f"layers-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.so"
    if built.is_file():
        return built
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch) / built.name
        wide = [WIDE] if platform.machine() != "aarch64" else []
        command = [compiler, *FLAGS, *wide, str(SOURCE), "-o", str(made)]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=BUILD_SECONDS)
        made.replace(built)
    return built


def _said(*command: str) -> str:
    asked = subprocess.run(command, capture_output=True, text=True, timeout=60, input="")
    return asked.stdout + asked.stderr
