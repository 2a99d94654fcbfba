"""Arrays in idx files, the format of MNIST."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datastill.base.errors import InputError, damaged
from datastill.base.wording import counted

UNSIGNED_BYTE, INTEGER = 8, 12
KINDS = {UNSIGNED_BYTE: ">u1", 9: ">i1", 11: ">i2", INTEGER: ">i4", 13: ">f4", 14: ">f8"}
"""Types of numbers, by the third byte of a file."""
BYTE = 255
LEAST = 1e-30
"""No pixel is smaller than this, and above 0."""

Numbers = np.ndarray[Any, np.dtype[Any]]


def read_idx(path: Path, *, axes: int | None) -> Tensor:
    """Read a uint8 array of ``axes`` axes from an idx file, gzipped or not.

    Args:
        path: of the file.
        axes: that it must have; None takes any number of axes, of numbers of any type.

    Raises:
        InputError: when the file is not what its name says, or has another length than its
            header says.
    """
    content = _content(path)
    kind, axes = _kind(content, path) if axes is None else (UNSIGNED_BYTE, axes)
    header = 4 + 4 * axes
    if len(content) < header:
        raise InputError(
            f"{path} is truncated: {counted(len(content), 'byte')}, less than an idx header"
        )
    magic = (0, 0, kind, axes)
    if tuple(content[:4]) != magic:
        raise InputError(
            f"{path} is not an idx file of bytes in {axes} axes: "
            f"it starts with {tuple(content[:4])}, not {magic}"
        )
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", axes, offset=4))
    number = np.dtype(KINDS[kind])
    expected = header + number.itemsize * int(np.prod(shape, dtype=np.int64))
    if len(content) != expected:
        fault = "truncated" if len(content) < expected else "too long"
        raise InputError(
            f"{path} is {fault}: {counted(len(content), 'byte')}, its header says {expected}"
        )
    if kind == UNSIGNED_BYTE:
        return torch.frombuffer(content, dtype=torch.uint8, offset=header).reshape(shape)
    values = np.frombuffer(content, number, offset=header).reshape(shape)
    return torch.from_numpy(_in_order(values.astype(number.newbyteorder("=")), path))


def _in_order(values: Numbers, path: Path) -> Numbers:
    # Small whole numbers, or 0 and 1, may have been written with their bytes from last to first.
    if values.itemsize == 1 or not values.any():
        return values
    turned, size = values.byteswap(), np.abs(values.astype(np.float64))
    if values.dtype.kind == "f":
        wrong = bool(size.max() < LEAST)
    else:
        wrong = bool(turned.min() >= 0 and turned.max() <= BYTE < size.max())
    if wrong:
        raise InputError(
            f"{path} holds numbers such as {values.flat[size.argmax()]:g}, whose bytes are in the "
            "wrong order: in idx files the most significant one comes first"
        )
    return values


def _kind(content: bytearray, path: Path) -> tuple[int, int]:
    if len(content) < 4 or any(content[:2]) or content[2] not in KINDS or not content[3]:
        raise InputError(f"{path} is no idx file: it starts with {tuple(content[:4])}")
    return content[2], content[3]


def _content(path: Path) -> bytearray:
    with damaged(path), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return bytearray(file.read())
