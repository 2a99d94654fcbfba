"""Files of ``torch.save`` and plain pickles, read without running what is in them."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.datasets.base.pickles import (
    MAGIC,
    Asked,
    Immodest,
    asked_by,
    require_modest_pickle,
    require_modest_torch,
)
from datastill.exchange.base.contract import content_of

MOST_BYTES = 2**33
"""Of a file: more is no synthetic set, but one that was made to fill memory."""

NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "b1")
"""Codes of NumPy's kinds of numbers that images and labels may have."""


class PlainType:
    """Stands for the type of a NumPy number: keeps its code and byte order, and calls nothing."""

    def __init__(self, code: object = "", *_: object) -> None:
        self.code = str(code)
        self.order = "<"

    def __setstate__(self, state: object) -> None:
        """Keep the byte order, and forget what else the file says of the type."""
        if isinstance(state, tuple) and ">" in state[1:2]:
            self.order = ">"

    def kind(self) -> np.dtype[Any]:
        """Return NumPy's own type.

        Raises:
            ValueError: when it is none of plain numbers.
        """
        if self.code not in NUMBERS:
            raise ValueError("a NumPy type of other things than numbers")
        return np.dtype(self.order + self.code)


class PlainArray:
    """Stands for a NumPy array: keeps shape, type and bytes, and calls nothing."""

    def __init__(self, *_: object) -> None:
        self.parts: tuple[Any, ...] = ()
        self.made: Tensor | None = None

    def __setstate__(self, state: object) -> None:
        """Keep what the file says of the array: version, shape, type, order of axes, bytes."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("a NumPy array of another make")
        self.parts = state

    def tensor(self) -> Tensor:
        """Return the numbers.

        Raises:
            ValueError, TypeError: when they are none, or not as many as the shape says.
        """
        if self.made is None:  # a list may hold one array any number of times
            self.made = self._tensor()
        return self.made

    def _tensor(self) -> Tensor:
        _, shape, kind, columns_first, content = self.parts
        if not isinstance(kind, PlainType) or not isinstance(content, bytes | bytearray):
            raise ValueError("a NumPy array of other things than numbers")
        flat = np.frombuffer(content, kind.kind())
        array = flat.reshape(tuple(shape), order="F" if columns_first else "C")
        native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        return torch.from_numpy(native.reshape(array.shape).copy())


class PlainTensor:
    """Stands for a tensor of a plain pickle until all of it is known."""

    def __init__(self, storage: Any, offset: Any, size: Any, stride: Any, *_: object) -> None:
        self.parts = (storage, offset, size, stride)

    def tensor(self) -> Tensor:
        """Return the tensor.

        Raises:
            ValueError, TypeError, RuntimeError: when it does not lie inside of its storage.
        """
        storage, offset, size, stride = self.parts
        if not isinstance(storage, torch.storage.TypedStorage):
            raise ValueError("a tensor without numbers")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the old kind of storage, which pickles name
            numbers, kind = storage.untyped(), storage.dtype
        whole = [int(n) for n in (offset, *size, *stride)]
        last = whole[0] + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        room = numbers.nbytes() // kind.itemsize
        if min(whole) < 0 or (0 not in size and last >= room):
            raise ValueError("a tensor that reaches beyond its numbers")  # PyTorch would make room
        return torch.tensor([], dtype=kind).set_(numbers, whole[0], tuple(size), tuple(stride))


def plain_number(kind: object, content: object = b"") -> float | int:
    """Stand for a NumPy number: make a plain one of its bytes.

    Accuracies are saved as NumPy numbers beside the images of many projects; NumPy 1 and 2 call
    their maker by different names, and neither is called here.
    """
    codes = {"f8": "<d", "f4": "<f", "i8": "<q", "i4": "<i"}
    if not isinstance(kind, PlainType) or not isinstance(content, bytes) or kind.code not in codes:
        raise ValueError("a NumPy number of another kind")
    return struct.unpack(codes[kind.code], content)[0]


def plain_array(*_: object) -> PlainArray:
    """Stand for what makes an empty NumPy array, whose state follows."""
    return PlainArray()


def array_of(content: object, kind: object, shape: object, order: object) -> PlainArray:
    """Stand for what makes a NumPy array of bytes."""
    found = PlainArray()
    found.parts = (1, shape, kind, order == "F", content)
    return found


def encoded(text: object, encoding: object = "latin1") -> bytes:
    """Stand for what old pickles make bytes by."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("bytes of another make")
    return text.encode("latin1")


def first_of(value: object, *_: object) -> object:
    """Stand for what makes a parameter of a tensor."""
    return value


def plain_table(*_: object) -> dict[Any, Any]:
    """Stand for what makes a table with defaults: make one without."""
    return {}


def uncalled(*_: object) -> None:
    """Stand for what such tables make their defaults by: pickles name it, and do not call it.

    Raises:
        ValueError: when one does.
    """
    raise ValueError("a list of another make")


class Settings:
    """Stands for the options of a program, and forgets them."""

    def __setstate__(self, state: object) -> None:
        """Keep nothing."""


def loaded(content: object) -> Any:
    """Read what ``torch.save`` wrote into bytes: tensors, plain numbers, text, lists and so on."""
    if not isinstance(content, bytes | bytearray):
        raise ValueError("no bytes of torch.save")
    require_modest_torch(io.BytesIO(content))
    with warnings.catch_warnings(), torch.serialization.safe_globals(ALLOWED):
        warnings.simplefilter("ignore")  # old files speak of old ways of storing
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


STAND_INS: dict[str, Callable[..., Any]] = {
    "argparse.Namespace": Settings,
    "collections.defaultdict": plain_table,
    "builtins.list": uncalled,
    "__builtin__.list": uncalled,
    "numpy.dtype": PlainType,
    "numpy.ndarray": PlainArray,
    **{
        f"numpy.{core}.{name}": stand_in
        for core in ("core", "_core")
        for name, stand_in in (
            ("multiarray.scalar", plain_number),
            ("multiarray._reconstruct", plain_array),
            ("numeric._frombuffer", array_of),
        )
    },
}
"""What is made in place of NumPy's things and of others beside sets, by their names in a pickle."""

ALLOWED: list[Any] = [
    PlainType,
    PlainArray,
    Settings,
    *((made, name) for name, made in STAND_INS.items()),
]

OF_PICKLES: dict[str, Callable[..., Any]] = {
    **STAND_INS,
    "_codecs.encode": encoded,
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": PlainTensor,
    "torch._utils._rebuild_parameter": first_of,
    "torch.storage._load_from_bytes": loaded,
}
"""The same for plain pickles, of tensors too."""


class _PlainUnpickler(pickle.Unpickler):
    # A pickle may name any function to be called; those that sets need have stand-ins.
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        name = f"{module_name}.{global_name}"
        if name not in OF_PICKLES:
            raise Asked(name)
        return OF_PICKLES[name]


def load_torch(path: Path) -> Any:
    """Read a file that ``torch.save`` or ``pickle.dump`` wrote.

    Returns:
        Tensors, arrays as ``PlainArray``, plain numbers, text, lists and dictionaries of them.

    Raises:
        InputError: when it is damaged, or asks for anything else.
    """
    content = content_of(path, most=MOST_BYTES)
    # The oldest pickles are text: nothing but their last byte tells them.
    begins = content[:1] == b"\x80" or (content[:2] != b"PK" and content[-1:] == b".")
    pickled = begins and MAGIC not in content[:64]
    try:
        return _unpickled(content) if pickled else loaded(content)
    except Exception as error:  # a damaged or hostile pickle can fail in any way
        if asked := asked_by(error):
            raise InputError(
                f"{path} asks for {asked}, which no set of images needs: it is a pickle, which can "
                "run code, and nothing of it was run. If you trust who made it, load it in Python "
                "and torch.save({'images': ..., 'labels': ...}) of it"
            ) from None
        if isinstance(error, Immodest):
            raise InputError(f"{path} would fill the memory, or may: {error}") from None
        what = "a pickle" if pickled else "a file of torch.save"
        raise InputError(f"{path} is damaged or not {what}") from None


def _unpickled(content: bytes) -> Any:
    require_modest_pickle(io.BytesIO(content), len(content))
    return _PlainUnpickler(io.BytesIO(content)).load()


def plain_of(value: Any) -> Any:
    """Return a tensor for what stands for one, and of lists of plain numbers; else the value.

    Raises:
        ValueError, TypeError, RuntimeError: when a stand-in stands for nothing sound.
    """
    if isinstance(value, PlainArray | PlainTensor):
        return value.tensor()
    if isinstance(value, Sequence) and value and all(type(each) in (int, float) for each in value):
        return torch.tensor(value)
    return value
