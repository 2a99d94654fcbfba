"""By how many threads a step is computed: by the kernels, beside other work, by fewer.

On a machine with more threads than cores, threads of one process wait for one another while others
run, longer than fewer would compute. Results must not hang on who else is at work. The kernels come
to the same bits by any number of threads; of PyTorch's operations many do not, and which is known
only by trying. So within a step that is the kernels' PyTorch always computes by one thread, whoever
is there, and the kernels by as many as there is room for.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Generator
from typing import Any

import torch

from datastill.base import neighbours, threads


class _Block(threading.local):
    # The block that this thread is in: threads that it was given, and those of the kernels.
    given: int | None = None
    kernels: int | None = None


_block = _Block()


@contextlib.contextmanager
def shared(device: torch.device, *owners: Any, wanted: bool = True) -> Generator[None]:
    """Compute a step inside the ``with`` block: the kernels beside neighbours by fewer threads.

    Until ``needed`` is called, which whatever is much to compute for PyTorch does first. Whoever
    said ``OMP_NUM_THREADS`` has all of these for the kernels, and lets others know.

    Args:
        device: of what is computed; only on a CPU there is anything to share.
        owners: whose arithmetic it is, besides what goes through a ``Route``. That of others than
            this package may be much to compute: then all threads do.
        wanted: whether networks are the kernels', as far as that is known before.
    """
    if device.type != "cpu" or _block.given is not None:
        yield
        return
    given = torch.get_num_threads()
    with neighbours.STREET.computing(given):
        if not (wanted and all(map(known, owners))):
            yield
            return
        share = given if threads.SAID else neighbours.STREET.share(given)
        try:
            _block.given, _block.kernels = given, share
            torch.set_num_threads(1)
            yield
        finally:
            torch.set_num_threads(given)
            _block.given = _block.kernels = None


def needed() -> None:
    """Compute by all threads that were given from here to the end of the block, if in one.

    Called before anything that is much to compute, and not the kernels'.
    """
    if _block.given is not None:
        torch.set_num_threads(_block.given)
        _block.kernels = _block.given


def for_kernels() -> int:
    """Return by how many threads the kernels compute."""
    return torch.get_num_threads() if _block.kernels is None else _block.kernels


def given() -> int:
    """Return by how many threads this thread computes where nobody is beside it."""
    return torch.get_num_threads() if _block.given is None else _block.given


def known(owner: Any) -> bool:
    """Tell whether something, if anything, is this package's own: a function, or of its classes.

    >>> [known(None), known(known), known(functools.partial(known, None)), known(print)]
    [True, True, True, False]
    """
    if isinstance(owner, functools.partial):
        inside = (owner.func, *owner.args, *owner.keywords.values())
        return all(known(each) for each in inside if callable(each))
    home = getattr(owner, "__module__", None) or type(owner).__module__
    return owner is None or home.split(".")[0] == "datastill"
