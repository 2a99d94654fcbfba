"""Tensors out of what others saved."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datastill.base.errors import InputError, damaged
from datastill.base.wording import counted, readable
from datastill.exchange.base.names import RATE_WORDS, keyed
from datastill.exchange.base.unpickling import PlainArray, PlainTensor, plain_of

MOST_VALUES = 2**30
"""Four gigabytes of float32: more is no synthetic set, but a file that was made to fill memory."""

NORMALISATION = ("mean", "std")
"""Keys under which a table may keep how its images are normalised."""

MOST_BYTES = 4 * MOST_VALUES

WEIGHTS = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}

KINDS = (
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
)
"""Types of numbers with which all can be done that is done with images and labels."""


def tensor_of(value: Any, what: str, path: Path) -> Tensor:
    """Return a value of a file as a plain tensor, which may repeat numbers that the file has once.

    Args:
        value: a tensor, an array, or a list of numbers or of tensors; of tensors of one shape along
            an axis of its own.
        what: it is, for messages.
        path: of the file.

    Raises:
        InputError: when it is another thing, or larger than any set.
    """
    found = _tensor(value, what, path)
    if found is None:
        raise InputError(f"{path}: the {what} are a {type(value).__name__}, not a tensor")
    plain = found.layout is torch.strided and found.device.type == "cpu"
    if not plain or found.is_quantized or found.is_complex():
        raise InputError(f"{path}: the {what} are no plain tensor of numbers")
    if found.dtype not in KINDS:
        kind = str(found.dtype).removeprefix("torch.")
        raise InputError(
            f"{path}: the {what} are of type {kind}, with which PyTorch hardly computes; save them "
            "as float32 or int64"
        )
    size = found.numel() * found.element_size()
    if size > MOST_BYTES:
        raise InputError(
            f"{path}: the {what} are {found.numel():,} numbers of {size:,} bytes; at most "
            f"{MOST_BYTES:,} bytes of a plain tensor are read: save bytes (torch.uint8)"
        )
    return found.detach()


def put_together(
    parts: Sequence[Tensor], what: str, path: Path, join: Callable[[list[Tensor]], Tensor]
) -> Tensor:
    """Return several tensors as one.

    Args:
        parts: the tensors; a file may hold one tensor any number of times.
        what: they are, for messages.
        path: of the file.
        join: puts them together: ``torch.stack``, ``torch.cat``.

    Raises:
        InputError: when that would be larger than any set, or they do not fit together.
    """
    size = sum(part.numel() * part.element_size() for part in parts)
    if size > MOST_BYTES:
        raise InputError(
            f"{path}: the {what} together are {size:,} bytes; at most {MOST_BYTES:,} are read"
        )
    with damaged(path, why=False):
        return join(list(parts))


def number_of(value: Any, what: str, path: Path) -> float:
    """Return a value of a file that is one number.

    Args:
        value: the number, or a table of nothing else, such as ``{'lr': 0.02}``.
        what: it is, for messages.
        path: of the file.

    Raises:
        InputError: when it is another thing.
    """
    if isinstance(value, Mapping):
        (key, *others) = value or [None]  # pyright: ignore[reportUnknownVariableType]
        if others or not keyed([key], RATE_WORDS):
            raise InputError(f"{path}: the {what} is a dictionary, expected one number")
        return number_of(value[key], what, path)
    if isinstance(value, int | float) and not isinstance(value, bool):
        with damaged(path, f"its {what} is too large a number", why=False):
            return float(value)
    found = tensor_of(value, what, path)
    if found.numel() != 1:
        raise InputError(f"{path} holds {found.numel()} numbers, expected one {what}")
    return float(found)


def normalisation_of(
    table: Mapping[Any, Any], path: Path
) -> tuple[list[float], list[float]] | None:
    """Return what a table calls mean and std, of as many channels; None where it has no such."""
    found: list[list[float]] = []
    for name in NORMALISATION:
        try:
            value = plain_of(table.get(name))
            values = tensor_of(torch.as_tensor(value), name, path).flatten().double()
        except Exception:  # no numbers: whatever it is, it is not this
            return None
        found.append(values.tolist() if bool(torch.isfinite(values).all()) else [])
    mean, std = found
    return (mean, std) if len(mean) == len(std) > 0 else None


def rate_of(value: Any, path: Path) -> tuple[float | None, tuple[str, ...]]:
    """Return a learning rate that was learned with a set; and, where it is none, that it is not.

    Raises:
        InputError: when it is no number.
    """
    found = number_of(value, "learning rate", path)
    if found > 0 and math.isfinite(found):
        return found, ()
    return None, (f"the learning rate of {path.name}, {found:g}, is not above zero: left out",)


def is_tensor(value: Any) -> bool:
    """Tell whether a value is a tensor, or stands for one."""
    return isinstance(value, Tensor | PlainArray | PlainTensor)


def shape_of(value: Any) -> tuple[int, ...] | None:
    """Return the shape of a tensor or of what stands for one, ``()`` of a number; else None."""
    if isinstance(value, int) and not isinstance(value, bool):
        return ()
    try:
        found = plain_of(value)
    except Exception:  # likewise
        return None
    return tuple(found.shape) if isinstance(found, Tensor) else None


def told_of(value: Any) -> str:
    """Say in a few words what a value is, of which images and labels were expected."""
    if _are_weights(value):
        return "weights of networks and no images"
    if isinstance(value, Mapping):
        names = [str(key) for key in value]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        told = ", ".join(name[:30] for name in names[:6] if readable(name))
        return f"a dictionary of {told or 'nothing'}" + (", ..." if len(names) > 6 else "")
    if is_tensor(value):
        return "one tensor"
    if isinstance(value, list | tuple) and len(value) > 1 and all(map(is_tensor, value)):  # pyright: ignore[reportUnknownArgumentType]
        return f"a list of {counted(len(value), 'tensor')} without labels"  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return f"a list of {len(value)} things that are no images and labels"  # pyright: ignore[reportUnknownArgumentType]
    return f"a {type(value).__name__}"


def _tensor(value: Any, what: str, path: Path) -> Tensor | None:
    try:
        found = plain_of(value)
        if isinstance(found, list | tuple) and found and all(map(is_tensor, found)):
            parts = [plain_of(each) for each in found]  # pyright: ignore[reportUnknownVariableType]
            alike = len({part.shape for part in parts}) == 1  # else classes of several sizes
            found = put_together(parts, what, path, torch.stack if alike else torch.cat)
    except InputError:
        raise
    except Exception:  # what stands for a tensor may be anything
        raise InputError(f"{path} is damaged: the {what} are no tensor") from None
    return found if isinstance(found, Tensor) else None


def _are_weights(value: Any) -> bool:
    # What state_dict() returns; or lists of lists of tensors: experts of trajectory matching.
    if isinstance(value, Mapping):
        keys = [str(key) for key in value if is_tensor(value[key])]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        return bool(keys) and all(key.rpartition(".")[2] in WEIGHTS for key in keys)
    listed = isinstance(value, list) and bool(value) and isinstance(value[0], list)  # pyright: ignore[reportUnknownArgumentType]
    return listed and bool(value[0]) and isinstance(value[0][0], list)  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
