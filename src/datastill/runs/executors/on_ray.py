"""Ray as an executor: one task for each piece, on this machine or on those of a cluster."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import torch

from datastill.base.errors import InputError, whole
from datastill.base.libraries import imported
from datastill.base.own_code import line
from datastill.datasets.base.sharing import shared_in
from datastill.runs.executors.away import Returned, filed, forget, work_away
from datastill.runs.executors.packing import File, Packer
from datastill.runs.executors.processes import ENVIRONMENT, Ending, cores_here, share_of
from datastill.runs.executors.tasks import Task, work

RETRIES = 3
"""How often Ray begins a task anew whose worker, or whose machine, is lost."""

PASSED = ("PYTHONPATH", "XDG_CACHE_HOME")
"""Words of the environment that hold for workers too, those of other machines as well."""

MEMORY = 700 * 2**20
"""Bytes that a worker takes: PyTorch and a network. Images come beside, once for a machine."""

PATIENCE = 10
"""Seconds for which machines are waited for, at the end, that remove what was sent to them."""

ANSWER = 10
"""Seconds within which the first machine of a cluster answers, if it is there."""


def require_answer(address: str | None) -> None:
    """Refuse an address ``HOST:PORT`` at which nothing answers: Ray would wait for minutes.

    Raises:
        InputError: saying so.
    """
    host, colon, port = (address or "").rpartition(":")
    if not colon or not port.isdecimal() or "/" in host:
        return  # a word of Ray's, or the address of a client
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
    except (OSError, OverflowError, ValueError) as error:
        raise InputError(
            f"no Ray answers at {address} ({line(error)}); say the address that "
            "'ray start --head' printed on the cluster's first machine"
        ) from None


class OnRay(Ending):
    """An executor whose work is done by Ray, which is started here, or joined.

    Args:
        address: of a cluster, as ``ray.init`` takes it; None starts Ray on this machine, and ends
            it again.
        jobs: pieces at a time for which the cores of a machine are shared out; None for one core
            each.
        seen: whether workers see the files of this process; None: those of this machine do. Where
            they do not, what pieces read is sent with them, and what they write comes back.

    Raises:
        InputError: when Ray is not installed, or cannot be joined.
    """

    def __init__(
        self, address: str | None = None, *, jobs: int | None = None, seen: bool | None = None
    ) -> None:
        whole(jobs=1 if jobs is None else jobs)
        self.seen = address is None if seen is None else seen
        threads = share_of(jobs or cores_here())
        self._ray: Any = imported("ray", "Ray carries out pieces where it is installed", "ray")
        if self._ray.is_initialized():
            raise InputError("Ray is at work in this process already; end it by ray.shutdown()")
        said = {**ENVIRONMENT, "OMP_NUM_THREADS": str(threads)}
        said |= {name: os.environ[name] for name in PASSED if name in os.environ}
        its = {"log_to_driver": False, "runtime_env": {"env_vars": said}}
        require_answer(address)
        # Otherwise one is joined that runs here, or that one which was killed has left a note of.
        own = {"address": "local", "num_cpus": cores_here(), "include_dashboard": False}
        try:
            self._ray.init(**its, **(own if address is None else {"address": address}))
        except Exception as error:
            raise InputError(f"Ray does not begin: {line(error)}") from None
        self.jobs = max(1, int(self._ray.cluster_resources().get("CPU", 1)) // threads)
        super().__init__(threads)
        self.place, self._kept = f"datastill-{uuid4().hex}", ExitStack()
        if not self.seen:  # real images that are read here from now on are sent from there
            images = Path(self._kept.enter_context(TemporaryDirectory(prefix="datastill-images-")))
            self._kept.enter_context(shared_in(images))
            self.packer = Packer(self._put, images)

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Awaited:
        """Have a function called where Ray finds its cores, its GPU and its memory."""
        its = {
            "num_cpus": self.threads,
            "num_gpus": int(torch.cuda.is_available()),
            "memory": MEMORY,
            "max_retries": RETRIES,
        }
        if self.seen or function is not work or not args[0].unit.address:
            return Awaited(self._ray, self._ray.remote(**its)(function).remote(*args))
        task: Task = args[0]
        sent = (task, self.packer.packed(task), self.place)
        back = self._ray.remote(**its)(carried_away).remote(*sent)
        return Awaited(self._ray, back, lambda returned: filed(returned, task.folder))

    def end(self) -> None:
        """End Ray, or leave the cluster; what is under way there ends too, and what was sent."""
        if not self.seen:
            with suppress(Exception):  # a machine that is lost keeps what it has
                self._ray.wait(gone := self._forgotten(), num_returns=len(gone), timeout=PATIENCE)
        self._ray.shutdown()
        self._kept.close()

    def _put(self, content: Any) -> Any:
        try:
            return self._ray.put(content)
        except Exception as error:
            raise InputError(f"Ray's object store takes no more files: {line(error)}") from None

    def _forgotten(self) -> list[Any]:
        on = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
        task, nodes = self._ray.remote(num_cpus=0)(forget), self._ray.nodes()
        there = [on(node["NodeID"], soft=False) for node in nodes if node["Alive"]]
        return [task.options(scheduling_strategy=one).remote(self.place) for one in there]


def carried_away(task: Task, files: Sequence[File], place: str) -> Returned:
    """Carry out a piece by files that are sent, as a task of Ray."""
    return work_away(task, files, place, import_module("ray").get)


def as_it_is(found: Any) -> Any:
    """Return what it is given."""
    return found


@dataclass(frozen=True)
class Awaited:
    """What a task of Ray will return.

    Attributes:
        ray: the library.
        of: reference to it.
        taken: what is made of it here.
    """

    ray: Any
    of: Any
    taken: Callable[[Any], Any] = as_it_is

    def done(self) -> bool:
        """See ``Future``."""
        return bool(self.ray.wait([self.of], timeout=0)[0])

    def result(self) -> Any:
        """See ``Future``."""
        return self.taken(self.ray.get(self.of))

    def cancel(self) -> None:
        """Do nothing: pieces look whether they are still wanted before they begin."""
