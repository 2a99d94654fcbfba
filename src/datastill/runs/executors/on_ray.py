"""Ray as an executor: one task for each piece, on this machine or on those of a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from datastill.base.errors import InputError, whole
from datastill.base.libraries import imported
from datastill.base.own_code import line
from datastill.runs.executors.processes import ENVIRONMENT, Ending, cores_here, share_of

RETRIES = 3
"""How often Ray begins a task anew whose worker, or whose machine, is lost."""

PASSED = ("PYTHONPATH", "XDG_CACHE_HOME")
"""Words of the environment that hold for workers too, those of other machines as well."""

MEMORY = 700 * 2**20
"""Bytes that a worker takes: PyTorch and a network. Images come beside, once for a machine."""


class OnRay(Ending):
    """An executor whose work is done by Ray, which is started here, or joined.

    Args:
        address: of a cluster, as ``ray.init`` takes it; None starts Ray on this machine, and ends
            it again.
        jobs: pieces at a time for which the cores of a machine are shared out; None for one core
            each.

    Raises:
        InputError: when Ray is not installed, or cannot be joined.
    """

    def __init__(self, address: str | None = None, *, jobs: int | None = None) -> None:
        whole(jobs=1 if jobs is None else jobs)
        threads = share_of(jobs or cores_here())
        self._ray: Any = imported("ray", "Ray carries out pieces where it is installed", "ray")
        if self._ray.is_initialized():
            raise InputError("Ray is at work in this process already; end it by ray.shutdown()")
        said = {**ENVIRONMENT, "OMP_NUM_THREADS": str(threads)}
        said |= {name: os.environ[name] for name in PASSED if name in os.environ}
        its = {"log_to_driver": False, "runtime_env": {"env_vars": said}}
        own = {"num_cpus": cores_here(), "include_dashboard": False}
        try:
            self._ray.init(**its, **(own if address is None else {"address": address}))
        except Exception as error:
            raise InputError(f"Ray does not begin: {line(error)}") from None
        self.jobs = max(1, int(self._ray.cluster_resources().get("CPU", 1)) // threads)
        super().__init__(threads)

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Awaited:
        """Have a function called where Ray finds its cores, its GPU and its memory."""
        its = {
            "num_cpus": self.threads,
            "num_gpus": int(torch.cuda.is_available()),
            "memory": MEMORY,
            "max_retries": RETRIES,
        }
        task = self._ray.remote(**its)(function)
        return Awaited(self._ray, task.remote(*args))

    def end(self) -> None:
        """End Ray, or leave the cluster; what is under way there ends too."""
        self._ray.shutdown()


@dataclass(frozen=True)
class Awaited:
    """What a task of Ray will return.

    Attributes:
        ray: the library.
        of: reference to it.
    """

    ray: Any
    of: Any

    def done(self) -> bool:
        """See ``Future``."""
        return bool(self.ray.wait([self.of], timeout=0)[0])

    def result(self) -> Any:
        """See ``Future``."""
        return self.ray.get(self.of)

    def cancel(self) -> None:
        """Do nothing: pieces look whether they are still wanted before they begin."""
