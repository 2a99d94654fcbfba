"""By how many threads a step is computed: beside other processes of this package by fewer.

On a machine with more threads than cores, threads of one process wait for one another while others
run, longer than fewer would compute. Results must not hang on who else is at work: only what comes
to the same bits by any number of threads is computed by fewer, and what does not says so before.
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
    # The block that this thread is in: threads that it was given, None outside of one.
    given: int | None = None


_block = _Block()


@contextlib.contextmanager
def shared(device: torch.device, *owners: Any) -> Generator[None]:
    """Compute a step beside neighbours by fewer threads inside the ``with`` block.

    Until ``needed`` is called, which whatever depends on the number of threads does first. Whoever
    said ``OMP_NUM_THREADS`` has all of these, and lets others know.

    Args:
        device: of what is computed; only on a CPU there is anything to share.
        owners: whose arithmetic it is, besides what goes through a ``Route``. That of others than
            this package is not known: then nothing is shared.
    """
    if device.type != "cpu" or _block.given is not None:
        yield
        return
    given = torch.get_num_threads()
    with neighbours.STREET.computing(given):
        if threads.SAID or not all(map(known, owners)):
            yield
            return
        _block.given = given
        torch.set_num_threads(neighbours.STREET.share(given))
        try:
            yield
        finally:
            _block.given = None
            torch.set_num_threads(given)


def needed() -> None:
    """Compute by all threads that were given from here to the end of the block, if in one.

    Called before anything whose bits depend on their number.
    """
    if _block.given is not None:
        torch.set_num_threads(_block.given)


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
