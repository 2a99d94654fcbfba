"""Kernels that were loaded: how they are called."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from datastill.compute import cores
from datastill.compute.kernels.source import Instructions


@dataclass(frozen=True, eq=False)
class Library:
    """Kernels that were loaded, and what they were built for.

    Attributes:
        instructions: the set.
        loaded: the kernels.
        build: tells those of one source, compiler and set from others.
    """

    instructions: Instructions
    loaded: ctypes.CDLL
    build: str

    @property
    def lanes(self) -> int:
        """Numbers that a register holds: channels come in multiples of it."""
        return self.instructions.lanes

    def call(self, name: str, *values: Tensor | int | float | None) -> None:
        """Call a kernel by its name, with tensors whose memory it reads and writes.

        Raises:
            RuntimeError: where memory does not suffice, in PyTorch's words.
        """
        theirs, ours = torch.get_num_threads(), cores.for_kernels()
        self.loaded.use_threads(ours)
        failed = getattr(self.loaded, name)(*map(_argument, values))
        if ours != theirs:  # OpenMP knows one number, PyTorch's and ours
            self.loaded.use_threads(theirs)
        if failed:
            raise RuntimeError(f"can't allocate memory for a kernel ({name})")


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
