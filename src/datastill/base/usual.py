"""What PyTorch is set to, around what computes: none of it changes a result, all of it is left."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LOCK, FOUND = Lock(), list[Any]()
"""The default type that was found, once for each that computes now."""


@contextmanager
def usually() -> Generator[None]:
    """Compute as in a process where nobody has set anything, and set it again at the end.

    Somebody may call from within ``torch.no_grad()`` or ``torch.autocast``, or have set another
    default type or device: networks would learn nothing, or something else.
    """
    import torch

    with ExitStack() as around:
        if torch.is_inference_mode_enabled() or not torch.is_grad_enabled():
            around.enter_context(torch.inference_mode(mode=False))  # with gradients, that is
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                around.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            around.enter_context(torch.device("cpu"))
        around.enter_context(_in_floats())
        yield


@contextmanager
def _in_floats() -> Generator[None]:
    # The default type is that of all threads: the last that computes sets it again.
    import torch

    with LOCK:
        FOUND.append(FOUND[0] if FOUND else torch.get_default_dtype())
        torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        with LOCK:
            found = FOUND.pop()
            if not FOUND:
                torch.set_default_dtype(found)


def as_usual(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate what computes: it does so ``usually``."""

    @functools.wraps(function)
    def computed(*args: P.args, **named: P.kwargs) -> T:
        with usually():
            return function(*args, **named)

    return computed


def each_as_usual(function: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """Decorate what computes step by step: each step ``usually``, not what is done in between."""

    @functools.wraps(function)
    def computed(*args: P.args, **named: P.kwargs) -> Iterator[T]:
        steps = function(*args, **named)
        while True:
            with usually():
                try:
                    found = next(steps)
                except StopIteration:
                    return
            yield found

    return computed
