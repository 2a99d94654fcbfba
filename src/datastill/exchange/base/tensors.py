"""Tensors out of PyTorch's files, without running what is in them."""

from __future__ import annotations

import io
import re
import struct
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datastill.errors import InputError
from datastill.exchange.base.contract import content_of

MOST_VALUES = 2**30
"""Four gigabytes of float32: more is no synthetic set, but a file that was made to fill memory."""


class PlainType:
    """Stands for the type of a NumPy number: keeps its code, and calls nothing."""

    def __init__(self, code: object = "", *_: object) -> None:
        self.code = str(code)

    def __setstate__(self, state: object) -> None:
        """Forget what else the file says of the type."""


def plain_number(kind: object, content: object = b"") -> float | int:
    """Stand for a NumPy number: make a plain one of its bytes.

    Accuracies are saved as NumPy numbers beside the images of many projects; NumPy 1 and 2 call
    their maker by different names, and neither is called here.
    """
    codes = {"f8": "<d", "f4": "<f", "i8": "<q", "i4": "<i"}
    if not isinstance(kind, PlainType) or not isinstance(content, bytes) or kind.code not in codes:
        raise ValueError("a NumPy number of another kind")
    return struct.unpack(codes[kind.code], content)[0]


ALLOWED: list[Any] = [
    PlainType,
    (PlainType, "numpy.dtype"),
    (plain_number, "numpy.core.multiarray.scalar"),
    (plain_number, "numpy._core.multiarray.scalar"),
]


def load_torch(path: Path) -> Any:
    """Read a file that ``torch.save`` wrote: tensors, plain numbers, text, lists and dictionaries.

    Raises:
        InputError: when it is damaged, or asks for anything else.
    """
    content = io.BytesIO(content_of(path))
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(ALLOWED):
            warnings.simplefilter("ignore")  # old files speak of old ways of storing
            return torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile pickle can fail in any way
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        if asked:
            raise InputError(
                f"{path} asks for {asked[1]}, which no set of images needs; nothing of it was run"
            ) from None
        raise InputError(f"{path} is damaged or not a file of torch.save") from None


def tensor_of(value: Any, what: str, path: Path) -> Tensor:
    """Return a value of a file as a plain tensor.

    Raises:
        InputError: when it is another thing, or larger than any set.
    """
    if not isinstance(value, Tensor):
        raise InputError(f"{path}: the {what} are a {type(value).__name__}, not a tensor")
    plain = value.layout is torch.strided and value.device.type == "cpu"
    if not plain or value.is_quantized or value.is_complex() or value.numel() > MOST_VALUES:
        raise InputError(f"{path}: the {what} are no plain tensor of at most {MOST_VALUES} numbers")
    return value.detach().contiguous()


def pair_of(value: Any, path: Path) -> tuple[Tensor, Tensor]:
    """Return the images and labels of a list of two.

    Raises:
        InputError: when it is another thing.
    """
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or len(value) != 2:
        raise InputError(f"{path} holds no list of images and labels")
    return tensor_of(value[0], "images", path), tensor_of(value[1], "labels", path)
