"""How layers are computed: to which precision, in which order in memory, fused or one by one."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from datastill.base.errors import InputError, of_kind, suggestion

Precision = Literal["float32", "tf32", "bfloat16"]


def require_precision(precision: object) -> None:
    """Refuse what is no precision."""
    of_kind(str, "'float32', 'tf32' or 'bfloat16'", precision=precision)
    if precision not in get_args(Precision):
        near = suggestion(str(precision), get_args(Precision))
        raise InputError(f"no precision named {precision!r}; {near}")


@contextmanager
def multiplying(device: torch.device, precision: Precision) -> Generator[None]:
    """Let a GPU multiply as a precision says inside the ``with`` block, backward too.

    PyTorch has one switch for a process, which stands afterwards as it stood before.
    """
    if device.type == "cpu":
        yield
        return
    matmul: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def casting(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """Let layers that gain by it compute in bfloat16 inside the block, if that is the precision."""
    if precision != "bfloat16":
        return nullcontext()
    # What is cast inside a transform of torch.func must not be found again outside of it.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


class ChannelsLast(TorchFunctionMode):
    """Gives convolutions their images channels last; the layers behind them follow."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d:
            args = (args[0].contiguous(memory_format=torch.channels_last), *args[1:])
        return func(*args, **(kwargs or {}))


@cache
def fused(function: Any) -> Any:
    """Return what ``torch.compile`` makes of a function, the same for the same function."""
    # The weights are inputs of what is compiled: networks of one architecture share it. Each
    # architecture, size and mode counts as one entry, and the default of 8 entries is soon full.
    config: Any = torch._dynamo.config
    limit = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"
    setattr(config, limit, 256)  # the latter is what PyTorch 2.6 calls it
    return torch.compile(function, dynamic=False)


def filled(images: Tensor, size: int) -> Tensor:
    """Fill up a batch by blank images, which cost less than compiling for another size."""
    return images if len(images) == size else F.pad(images, (0,) * 7 + (size - len(images),))


def joined(parts: Iterable[Tensor], total: int) -> Tensor:
    """Return what ``torch.cat`` makes of parts of so many rows, of which none is kept meanwhile.

    A small tensor that stays while large ones come and go keeps the memory of these from becoming
    one piece again: what 57,000 images come to, 128 at a time, took 700 MB more.
    """
    found, start = torch.empty(0), 0
    for part in parts:
        if not start:
            found = part.new_empty((total, *part.shape[1:]))
        found[start : start + len(part)] = part
        start += len(part)
    return found
