"""Processes of this machine that carry out pieces of runs, each with its share of the cores."""

from __future__ import annotations

import os
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.context import BaseContext
from types import TracebackType
from typing import Any, Self

import torch

from datastill.base import threads
from datastill.base.errors import whole
from datastill.runs.executors.beginning import begin, ready

COPIED = "datastill.runs.executors.copied"
"""What a process imports whose copies work."""
ENVIRONMENT = {"PYTHONSAFEPATH": "1"}
"""What is said to every process: nothing that lies in the current folder is run unasked."""


KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
"""What ends a process that ignores signals; Windows has one way."""


class WorkerLost(RuntimeError):
    """The process that worked on something was killed."""


class Unready(RuntimeError):
    """A process cannot work at all; says why in one line."""


def cores_here() -> int:
    """Return how many cores this process may use, by its affinity and a container's limits."""
    return max(1, int(min(threads.cores(), threads.quota() or threads.cores())))


def share_of(jobs: int) -> int:
    """Return the threads that each of several processes may have of the cores of this one.

    Where ``OMP_NUM_THREADS`` says less, that.
    """
    cores, said = cores_here(), os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    most = int(said) if said.isdecimal() and int(said) else cores
    return max(1, min(cores // jobs, most))


def context() -> BaseContext:
    """Return how processes are begun."""
    if sys.platform != "linux":  # elsewhere copies of a process with libraries are not safe
        return get_context("spawn")
    found = get_context("forkserver")
    found.set_forkserver_preload([COPIED])
    return found


class Ending(ABC):
    """An executor that ends at the end of a ``with`` statement.

    While it is open this process computes by as many threads as its workers do, so that it chooses
    the same routes and comes to the same bits.

    Args:
        threads: of a worker.
    """

    def __init__(self, threads: int) -> None:
        self.threads, self._before = threads, torch.get_num_threads()
        torch.set_num_threads(threads)

    @abstractmethod
    def end(self) -> None:
        """End all workers: at once, whatever they do."""

    def shutdown(self) -> None:
        """End all workers, and compute by as many threads as before."""
        self.end()
        torch.set_num_threads(self._before)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.shutdown()


class Processes(Ending):
    """An executor of processes on this machine; one that is killed is replaced.

    On Linux they are copies of one that has imported what all need, whose memory they share.

    Args:
        jobs: how many of them.

    Raises:
        InputError: when that is no number of processes.
    """

    def __init__(self, jobs: int) -> None:
        whole(jobs=jobs)
        super().__init__(share_of(jobs))
        self.jobs, self._closed = jobs, False
        self._hands = ThreadPoolExecutor(jobs, thread_name_prefix="datastill-worker")
        self._mine, self._starting = threading.local(), threading.Lock()
        self._pools: dict[int, ProcessPoolExecutor] = {}  # by the numbers of their processes

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Have a function called by the next process that is free."""
        return self._hands.submit(self._done, function, args)

    def end(self) -> None:
        """See ``Ending``."""
        self._closed = True
        self._hands.shutdown(wait=False, cancel_futures=True)
        with self._starting:
            for number, pool in self._pools.items():
                with suppress(OSError):
                    os.kill(number, KILL)
                pool.shutdown(wait=False, cancel_futures=True)
            self._pools.clear()
        self._hands.shutdown()

    def _done(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        # Called in a thread that looks after one process.
        try:
            return self._pool().submit(function, *args).result()
        except BrokenProcessPool:
            self._dismiss()
            raise WorkerLost("the process that worked on it was killed") from None

    def _pool(self) -> ProcessPoolExecutor:
        held = getattr(self._mine, "pool", None)
        if held is not None:
            return held
        with self._starting:
            if self._closed:
                raise WorkerLost("there are no processes any more")
            said = {**ENVIRONMENT, "OMP_NUM_THREADS": str(self.threads)}
            before = {name: os.environ.get(name) for name in said}
            os.environ.update(said)
            try:
                pool = ProcessPoolExecutor(1, context(), begin, (dict(os.environ),))
                begun = pool.submit(ready, self.threads)
            finally:
                _restore(before)
        try:
            number, trouble = begun.result()
        except BrokenProcessPool:
            raise Unready("a process ended before it could work") from None
        if trouble:
            pool.shutdown(wait=False)
            raise Unready(trouble)
        self._mine.pool, self._mine.number = pool, number
        with self._starting:
            if not self._closed:
                self._pools[number] = pool
                return pool
        os.kill(number, KILL)
        raise WorkerLost("there are no processes any more")

    def _dismiss(self) -> None:
        pool: ProcessPoolExecutor = self._mine.pool
        with self._starting:
            self._pools.pop(self._mine.number, None)
        with suppress(OSError):  # where the one it was copied from was killed, it is there still
            os.kill(self._mine.number, KILL)
        pool.shutdown(wait=False)
        self._mine.pool = None


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
