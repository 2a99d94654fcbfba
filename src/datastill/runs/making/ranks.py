"""One distillation by several processes, as torchrun starts them: their classes are shared out.

The first process is the one that reads descriptions, writes, tells and is stopped. The others are
told by it what to do, and do the same updates of other classes.
"""

from __future__ import annotations

import atexit
import os
import signal
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from datastill.base.errors import InputError, reason
from datastill.base.wording import counted
from datastill.compute import measuring
from datastill.distillation.loop import State, distill
from datastill.distillation.sharing import Share
from datastill.runs.conduct.observer import SILENT
from datastill.runs.making.preparing import Work, prepared
from datastill.runs.specs import DistillSpec

WAIT = timedelta(hours=12)
"""How long a process waits for the others: reading, or scoring a set, may take the first long."""

PAUSES = 100
"""Moments of a run at which all know all, and a set can be looked at, kept, and gone on from."""

LETTING_GO = 0.2
"""Seconds before a process leaves the others."""

MOST = 90
"""Characters of what PyTorch says of a process that is lost."""

T = TypeVar("T")


@dataclass
class Ranks:
    """The processes of one distillation, and this one among them.

    Attributes:
        rank: number of this one.
        world: how many there are.
        ended: whether the others were told that nothing follows.
    """

    rank: int
    world: int
    ended: bool = False

    def gathered(self, mine: Tensor) -> Sequence[Tensor]:
        """See ``Exchange``."""
        found = [torch.empty_like(mine) for _ in range(self.world)]
        with self.heard():
            distributed.all_gather(found, mine.contiguous())
        return found

    def share(self, work: Work) -> Share:
        """Return the part of a distillation that this process has."""
        chosen = work.selector is not None  # who may look after any update
        every = 1 if chosen else max(1, work.descent.updates // PAUSES)
        return Share(self.rank, self.world, every, self)

    def begin(self, spec: DistillSpec, work: Work, state: State | None) -> Work:
        """Tell the others what to do, and return this process's part of it.

        Args:
            spec: what the set follows from, its updates settled.
            work: made ready by this process.
            state: where it goes on, if it does.
        """
        held = None if state is None else (state.step, state.tensors())
        found = {
            "spec": spec,
            "route": work.task.route,
            "fastest": measuring.chosen(),
            "state": held,
            "updates": work.descent.updates,
        }
        self._tell(found)
        return replace(work, task=replace(work.task, share=self.share(work)))

    def go_on(self) -> None:
        """Tell the others, at a pause, that updates follow."""
        self._tell("on")

    def end(self) -> None:
        """Tell the others, where they wait, that nothing follows."""
        self._tell(None)

    def follow(self) -> None:
        """Do what the first process says, until it says no more.

        Raises:
            InputError: when what it sees cannot be seen from here, or it is lost.
        """
        for number in (signal.SIGINT, signal.SIGTERM):  # the first one is asked to stop
            signal.signal(number, signal.SIG_IGN)
        said = self._heard_from_first()
        if said is None:
            return
        measuring.hold(said["fastest"])
        work = prepared(said["spec"], SILENT, lambda: None, {}).by(said["route"])
        work = replace(work, descent=replace(work.descent, updates=said["updates"]))
        share, total = self.share(work), work.descent.updates
        state = None if said["state"] is None else State.of(*said["state"])
        for now in distill(
            *(work.published.method, replace(work.task, share=share), work.descent),
            regularisers=work.regularisers,
            features=work.features,
            state=state,
        ):
            if share.pauses(now.step, total) and self._heard_from_first() is None:
                return

    @contextmanager
    def heard(self) -> Generator[None]:
        """Say in one line that another process is lost; nothing more is said to any then."""
        try:
            yield
        except RuntimeError as error:
            self.ended = True
            raise InputError(
                f"a process of this distillation is lost ({reason(error)[:MOST]}); what was kept "
                "goes on with `resume=True`, under any number of processes"
            ) from None

    def _tell(self, said: Any) -> None:
        self.ended = said is None
        with self.heard():
            distributed.broadcast_object_list([said], src=0)

    def _heard_from_first(self) -> Any:
        found: list[Any] = [None]
        with self.heard():
            distributed.broadcast_object_list(found, src=0)
        return found[0]


@contextmanager
def joined(device: str = "auto") -> Generator[Ranks | None]:
    """Join the processes that torchrun started; None where it started none.

    Args:
        device: on which they compute.

    Raises:
        InputError: when they cannot be reached, or are more than there are GPUs.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield None
        return
    if not distributed.is_initialized():  # once for a process: they cannot meet again
        _meet(device)
    yield Ranks(distributed.get_rank(), distributed.get_world_size())


def _meet(device: str) -> None:
    gpus = device != "cpu" and torch.cuda.is_available()
    try:
        local = int(os.environ.get("LOCAL_RANK", "0"))
        here = int(os.environ.get("LOCAL_WORLD_SIZE", local + 1))
        lacking = here - torch.cuda.device_count() if gpus else 0
        if gpus and lacking <= 0:
            torch.cuda.set_device(local)
        if lacking <= 0:
            distributed.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=WAIT)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"the processes of torchrun do not meet: {reason(error)[:MOST]}") from None
    if lacking > 0:  # every process of a machine says so, and none waits for another
        gpu = here - lacking
        raise InputError(
            f"torchrun started {counted(here, 'process')} where there is a GPU for {gpu}: start "
            f"that many on a machine (--nproc-per-node {gpu}), or pass `device='cpu'`"
        )
    atexit.register(_leave)


def _leave() -> None:
    # A thread of gloo's lets go of the last message a moment after it was heard, and asks for the
    # interpreter to do so: where that has ended, the process is aborted.
    time.sleep(LETTING_GO)
    distributed.destroy_process_group()


def led(begin: Callable[[Ranks | None], T], device: str = "auto") -> T | None:
    """Have the first process that torchrun started begin something, and the others follow it.

    Args:
        begin: is given them all; None where torchrun started none.
        device: on which all of them compute.

    Returns:
        What that returns; None in the others.

    Raises:
        InputError: when they cannot be reached, or one is lost.
    """
    with joined(device) as ranks:
        if ranks is not None and ranks.rank:
            ranks.follow()
            return None
        return begin(ranks)


@contextmanager
def ended(ranks: Ranks | None) -> Generator[None]:
    """See to it that the other processes are not left waiting, whatever happens to the first."""
    try:
        yield
    finally:
        if ranks is not None and not ranks.ended:
            with suppress(InputError):
                ranks.end()
