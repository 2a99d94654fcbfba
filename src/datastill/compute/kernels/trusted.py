"""Which kernels are used here: those that were built, loaded and tried; or why there are none."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

import torch

from datastill.base import machine
from datastill.compute.kernels.building import Unavailable, built
from datastill.compute.kernels.instructions import Instructions, asked, found
from datastill.compute.kernels.library import Library
from datastill.compute.kernels.operands import unanswered
from datastill.compute.kernels.trial import failing


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


def _known() -> Library | str:
    if platform.system() != "Linux":
        return f"they are built on Linux, and this is {platform.system()}"
    best = found(asked())
    return best if isinstance(best, str) else _trusted(best)


@cache
def _trusted(best: Instructions) -> Library | str:
    if unknown := unanswered():
        return f"they ask PyTorch for {unknown}, which version {torch.__version__} does not have"
    try:
        file = built(best)
        made = Library(best, ctypes.CDLL(str(file)), file.stem.rpartition("-")[0])
    except Unavailable as error:
        return str(error)
    except OSError as error:
        return (
            f"they were built, and cannot be loaded: {str(error)[:200]}; let XDG_CACHE_HOME name a "
            "folder from which programs may run"
        )
    try:
        wrong = failing(made)
    except (AttributeError, RuntimeError) as error:
        return f"{file} is no library of kernels ({str(error)[:200]}): remove it"
    if wrong:
        return f"{file} gives wrong results ({wrong}): remove it, or try another g++ (CXX)"
    machine.keep_memory()
    return made
