"""What is under way when a command is cut off, a network or a set: kept, and taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from datastill.base.errors import InputError
from datastill.distillation.loop import Snapshot, State
from datastill.runs.conduct.keeping import Keeper
from datastill.runs.conduct.stop import StopRequest
from datastill.store import Checkpoint
from datastill.training.fit import Epoch, Fitting

Make = Callable[[Mapping[str, Any], Mapping[str, Any]], Checkpoint]
"""Makes a checkpoint of the facts and tensors of what is under way, and of all that is done."""


CHOSEN = "chosen."
"""How names begin, among the tensors of a checkpoint, of the set that was chosen."""


@dataclass(frozen=True, eq=False)
class Underway:
    """Keeps what is under way when it is time, and knows what was when the command was cut off.

    Attributes:
        held: what was kept then.
        keeper: writes checkpoints.
        stop: asks to.
        make: makes them.
    """

    held: Checkpoint | None
    keeper: Keeper
    stop: StopRequest
    make: Make

    @property
    def due(self) -> bool:
        """Whether it is time."""
        return self.keeper.due or self.stop.requested

    def found(self, kind: str, place: str) -> Checkpoint | None:
        """Return what was kept if it is of a place, which has a name among those of its kind."""
        here = self.held is not None and self.held.facts.get(kind) == place
        return self.held if here else None

    def keep(self, facts: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
        """Keep what is under way, and stop if that was asked for."""
        self.keeper.keep(self.make(facts, tensors))
        self.stop.raise_if_requested()


def unseen(epoch: int) -> None:
    """Do nothing about an epoch."""


@dataclass(frozen=True, eq=False)
class Fits:
    """Keeps the network that is trained. See ``validation.Watch``.

    Attributes:
        underway: what is kept.
        told: of the number of every epoch.
    """

    underway: Underway
    told: Callable[[int], None] = unseen

    def begun(self, place: str) -> Fitting | None:
        """Return where the fit of a network was cut off."""
        found = self.underway.found("network", place)
        return None if found is None else fitting_of(found)

    def seen(self, place: str, epoch: Epoch) -> None:
        """Keep a network after an epoch, if it is time."""
        self.told(epoch.number)
        if self.underway.due:
            state = epoch.state()
            facts = {"network": place, "epoch": state.epoch}
            self.underway.keep(facts, tensors_of_fitting(state))


@dataclass(frozen=True, eq=False)
class Descents:
    """Keeps the set that is distilled. See ``workshop.Watch``."""

    underway: Underway

    def begun(self, place: str) -> State | None:
        """Return where the distillation of a set was cut off."""
        found = self.underway.found("set", place)
        return None if found is None else state_of(found)

    def seen(self, place: str, snapshot: Snapshot) -> None:
        """Keep a set after an update, if it is time."""
        if self.underway.due:
            assert snapshot.state is not None
            state = snapshot.state()
            self.underway.keep({"set": place, "step": state.step}, state.tensors())


@dataclass(frozen=True, eq=False)
class Unmade:
    """Watches sets of which nothing is kept before they are made. See ``workshop.Watch``.

    Attributes:
        stop: asks to, which is heeded after every update.
    """

    stop: StopRequest

    def begun(self, place: str) -> None:
        """Return nothing: every set begins at the start."""
        del place

    def seen(self, place: str, snapshot: Snapshot) -> None:
        """Stop after an update, if that was asked for."""
        del place, snapshot
        self.stop.raise_if_requested()


def tensors_of_fitting(state: Fitting) -> dict[str, Tensor]:
    """Return the tensors of a network in the middle of a fit, by names."""
    return {
        **{f"weights.{name}": value for name, value in state.weights.items()},
        **{f"momentum.{i}": value for i, value in state.momentum.items()},
        **{f"watched.{name}": value for name, value in state.watched.items()},
    }


def fitting_of(checkpoint: Checkpoint) -> Fitting:
    """Return the network in the middle of a fit that a checkpoint holds.

    Raises:
        InputError: when it makes no sense.
    """
    found: dict[str, dict[str, Tensor]] = {"weights": {}, "momentum": {}, "watched": {}}
    try:
        for name, value in checkpoint.tensors.items():
            kind, _, rest = name.partition(".")
            found[kind][rest] = value
        momentum = {int(i): value for i, value in found["momentum"].items()}
        epoch = int(checkpoint.facts["epoch"])
        return Fitting(epoch, found["weights"], momentum, found["watched"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"the checkpoint is none of a training: {error!r}") from None


def state_of(checkpoint: Checkpoint) -> State:
    """Return the distillation that a checkpoint holds.

    Raises:
        InputError: when it makes no sense, or is of a datastill that kept other tensors.
    """
    if "pixels" in checkpoint.tensors:
        raise InputError(
            "the checkpoint is of an earlier datastill, which kept other tensors: that one can "
            "finish the run; pass `overwrite=True` to start over"
        )
    tensors = {
        name: value for name, value in checkpoint.tensors.items() if not name.startswith(CHOSEN)
    }
    try:
        return State.of(int(checkpoint.facts["step"]), tensors)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"the checkpoint is none of a distillation: {error!r}") from None
