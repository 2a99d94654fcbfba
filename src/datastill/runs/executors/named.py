"""Executors by the words of a command line."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from datastill.base.errors import InputError
from datastill.base.waits import awaited
from datastill.runs.conduct.futures import Executor
from datastill.runs.executors.on_ray import OnRay
from datastill.runs.executors.processes import Processes

RAY = "ray"


def executor_named(
    jobs: int | None, on: str | None = None
) -> AbstractContextManager[Executor | None]:
    """Return what carries out the pieces of a run; None for one process, this one.

    Args:
        jobs: pieces that are carried out side by side; None for one.
        on: ``ray``, or ``ray:ADDRESS``; None for processes of this machine.

    Raises:
        InputError: when there is none such.
    """
    if on is not None:
        name, colon, address = on.partition(":")
        if name != RAY or (colon and not address):
            raise InputError(f"`on` must be ray or ray:ADDRESS, found {on!r}")
        with awaited("asking Ray for workers"):
            return OnRay(address or None, jobs=jobs)
    return nullcontext() if jobs is None or jobs == 1 else Processes(jobs)
