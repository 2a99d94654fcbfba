"""The original models of one architecture that a command trains, and what is kept of them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.runs.describing import descriptions, following, number_of, write_description
from datastill.runs.keeping import Keeper
from datastill.runs.observer import Steps
from datastill.runs.recipes import RUN_FILE
from datastill.runs.specs import TrainSpec
from datastill.runs.stop import StopRequest
from datastill.runs.underway import fitting_of, tensors_of_fitting
from datastill.store import (
    Checkpoint,
    CheckpointFile,
    Journal,
    checkpoint_file,
    member_path,
    save_dynamics,
    save_member,
    write_manifest,
)
from datastill.training.fit import Fit, Fitting
from datastill.training.pool import Member, train_member

COMMAND = "train"


@dataclass(frozen=True, eq=False)
class Series:
    """Models of one architecture.

    Attributes:
        name: of the architecture.
        folder: of its pool, or the one beside it that is to take its place.
        first: number of the first model.
        fit: how they are trained.
        held_out: share of the images to judge by.
        save_epochs: after which a model is written.
        route: how images pass it.
        asked: all that the result follows from.
        past: where a run was cut off.
    """

    name: str
    folder: Path
    first: int
    fit: Fit
    held_out: float
    save_epochs: frozenset[int]
    route: Route
    asked: Mapping[str, Any]
    past: Checkpoint | None = None

    @property
    def title(self) -> str:
        """The name as that of a folder."""
        return self.name.replace(":", ".")

    @property
    def file(self) -> CheckpointFile:
        """Where checkpoints are kept."""
        return checkpoint_file(self.folder, COMMAND)

    def checkpoint(
        self, number: int, logged: int, seconds: float = 0.0, state: Fitting | None = None
    ) -> Checkpoint:
        """Return what to go on from.

        Args:
            number: of the model that is trained.
            logged: bytes of the journal.
            seconds: that the model took so far.
            state: of its fit; None before the first epoch.
        """
        facts = {
            "first": self.first,
            "number": number,
            "epoch": state.epoch if state else 0,
            "logged": logged,
            "seconds": round(seconds, 2),
            "route": asdict(self.route),
        }
        tensors = tensors_of_fitting(state) if state else {}
        return Checkpoint(self.asked, facts, tensors)

    def state(self, number: int) -> Fitting | None:
        """Return where the fit of a model was cut off; None where it is to begin.

        Raises:
            InputError: when what was kept makes no sense.
        """
        if self.past is None or self.past.facts.get("number") != number:
            return None
        found = fitting_of(self.past)
        return found if 0 < found.epoch < self.fit.epochs else None


def described(spec: TrainSpec, series: Series) -> None:
    """Write down in the folder of an architecture what its models follow from.

    Models that were added to others of the same description are what more of them would have been.
    """
    alone, file = replace(spec, models=(series.name,)), series.folder / RUN_FILE
    held = [(path, one) for path, one in descriptions(file) if isinstance(one, TrainSpec)]
    if series.first + spec.num <= sum(one.num for _, one in held):
        return  # it goes on, or is finished
    last, before = held[-1] if held else (file, alone)
    if held and replace(before, num=spec.num) == alone:
        write_description(replace(alone, num=before.num + spec.num), last)
    elif series.first:  # the first may be of a datastill that wrote no such file
        write_description(alone, following(file, 1 + number_of(last)))
    else:
        write_description(alone, file)


def followed_from(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model follows from: of what was asked for, all but how many there are."""
    return {name: value for name, value in asked.items() if name != "num"}


def fitted(
    series: Series,
    number: int,
    real: ImageSet,
    seed: int,
    *,
    steps: Steps,
    journal: Journal,
    keeper: Keeper,
    stop: StopRequest,
) -> Member:
    """Train one model, write it after the epochs asked for, and return it as it is at last.

    Raises:
        InputError: when the loss is not finite any more.
    """
    key, state = Key(seed).at("original", series.name, number), series.state(number)
    spent = series.past.facts["seconds"] if series.past and state else 0.0
    started, last = time.perf_counter() - spent, None
    share, route = series.held_out, series.route
    epochs = train_member(
        series.name, real, series.fit, key=key, held_out=share, route=route, state=state
    )
    with stop.heeded("after this epoch, which is kept"):
        for epoch, member in epochs:
            loss = _finite(float(epoch.loss), epoch.number, series, number)
            steps.at(epoch.number, f"loss {loss:.3f}")
            journal.log("epoch", model=series.title, number=number, step=epoch.number, loss=loss)
            if epoch.number in series.save_epochs:
                last = member()
                seconds = round(time.perf_counter() - started, 2)
                facts = {"number": number, "seed": seed, **last.facts, "seconds": seconds}
                facts["asked"] = followed_from(series.asked)
                last = replace(last, facts=facts)
                if epoch.number == series.fit.epochs:  # first, for a model that is there is done
                    save_dynamics(last, series.folder, number)
                save_member(last, member_path(series.folder, number, epoch.number))
                write_manifest(series.folder)
            if (keeper.due or stop.requested) and epoch.number < series.fit.epochs:
                seconds = time.perf_counter() - started
                keeper.keep(series.checkpoint(number, journal.length, seconds, epoch.state()))
                stop.raise_if_requested()
        stop.raise_if_requested()  # the model is written
    assert last is not None
    return last


def _finite(loss: float, epoch: int, series: Series, number: int) -> float:
    if not math.isfinite(loss):
        raise InputError(
            f"the loss of {series.name} {number} is not a finite number after epoch {epoch}; take "
            f"a smaller `lr` than {series.fit.lr:g}, and pass `overwrite=True`"
        )
    return round(loss, 6)
