"""Which kernels are used here: in a wheel or built, loaded and tried; or why there are none."""

from __future__ import annotations

import ctypes
import logging
import platform
from functools import cache
from pathlib import Path

import torch

from datastill.base import machine
from datastill.compute.kernels import building
from datastill.compute.kernels.building import Unavailable, built
from datastill.compute.kernels.instructions import asked, found
from datastill.compute.kernels.library import Library
from datastill.compute.kernels.operands import unanswered
from datastill.compute.kernels.shipped import share_openmp, shipped
from datastill.compute.kernels.source import Instructions
from datastill.compute.kernels.trial import failing

_log = logging.getLogger("datastill")


class Wrong(Exception):
    """A library was loaded, and does not do what it should; says which, and what it does."""


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


def build() -> str:
    """Return what tells kernels of one source, compiler and set from others, empty without any."""
    known = _known()
    return "" if isinstance(known, str) else known.build


def superseded() -> list[Path]:
    """Return the kernels that are kept here, and that another version, or compiler, built."""
    best = found(asked()) if platform.system() == "Linux" else ""
    return [] if isinstance(best, str) else building.superseded(best)


def _known() -> Library | str:
    if platform.system() != "Linux":
        return f"they are built on Linux, and this is {platform.system()}"
    best = found(asked())
    return best if isinstance(best, str) else _trusted(best)


@cache
def _trusted(best: Instructions) -> Library | str:
    if unknown := unanswered():
        return f"they ask PyTorch for {unknown}, which version {torch.__version__} does not have"
    came = _shipped(best)
    if isinstance(came, Library):
        return came
    made = _built(best)
    if came and isinstance(made, str):
        return f"{came}: install it again; and in their place {made}"
    if came:
        _log.warning("%s: others were built in their place; install it again", came)
    return made


def _shipped(best: Instructions) -> Library | str:
    # Empty where none came along.
    try:
        file = shipped(best)
        if file is None:
            return ""
        share_openmp()
        return _tried(best, file, file.stem)
    except (Unavailable, Wrong) as error:
        return str(error)
    except OSError as error:
        return f"the kernels that came with datastill cannot be loaded ({str(error)[:200]})"


def _built(best: Instructions) -> Library | str:
    try:
        file = built(best)
        return _tried(best, file, file.stem.rpartition("-")[0])
    except Unavailable as error:
        return str(error)
    except Wrong as error:
        return f"{error}: remove it, or try another g++ (CXX)"
    except OSError as error:
        return (
            f"they were built, and cannot be loaded: {str(error)[:200]}; let XDG_CACHE_HOME name a "
            "folder from which programs may run"
        )


def _tried(best: Instructions, file: Path, build: str) -> Library:
    made = Library(best, ctypes.CDLL(str(file)), build)
    try:
        wrong = failing(made)
    except (AttributeError, RuntimeError) as error:
        raise Wrong(f"{file} is no library of kernels ({str(error)[:200]})") from None
    if wrong:
        raise Wrong(f"{file} gives wrong results ({wrong})")
    machine.keep_memory()
    return made
