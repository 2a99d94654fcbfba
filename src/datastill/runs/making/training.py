"""Original models: trained as a description says, written one by one, and gone on with."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datastill.base.errors import InputError, truth
from datastill.base.notebooks import of_run
from datastill.base.rng import Key
from datastill.base.usual import as_usual
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.networks import find
from datastill.runs.conduct.futures import Executor
from datastill.runs.conduct.given import Conduct, conduct_of, require_place
from datastill.runs.conduct.keeping import USUAL, Keeper, Keeping
from datastill.runs.conduct.observer import SILENT, Observer, Steps
from datastill.runs.conduct.stop import StopRequest
from datastill.runs.executors.pieces import forget, require_address, take_model
from datastill.runs.executors.pieces import place_of as piece_of
from datastill.runs.executors.spreading import spread
from datastill.runs.inputs.computing import device_of
from datastill.runs.inputs.reading import buildable, describe, read_both
from datastill.runs.inputs.series import Series, Training, described, followed_from
from datastill.runs.specs import TrainSpec, Unit
from datastill.store import (
    LOG_FILE,
    Journal,
    load_member,
    locked,
    member_path,
    pool_folder,
    provisional,
    rewind,
    save_dynamics,
    save_member,
    settle,
    write_manifest,
)
from datastill.training.fit import accuracy
from datastill.training.pool import Member, Pool, train_member


@dataclass(frozen=True)
class Row:
    """What a model came to.

    Attributes:
        architecture: of the model.
        number: of it in its pool.
        facts: that it says of itself, accuracy on training and held-out images among them.
        test_accuracy: kept out of files; None where there are no test images.
    """

    architecture: str
    number: int
    facts: Mapping[str, Any]
    test_accuracy: float | None


@dataclass(frozen=True, eq=False)
class Trained:
    """Original models that were trained.

    Attributes:
        dataset: name of the real images.
        folder: that holds a folder for each architecture; None where nothing was kept.
        rows: what every model came to.
        models: themselves, where nothing was kept.
    """

    dataset: str
    folder: Path | None
    rows: tuple[Row, ...]
    models: Pool = ()

    _repr_html_ = of_run

    @property
    def pool(self) -> Pool:
        """The models, read from their files where there are any."""
        if self.folder is None:
            return self.models
        return [self._read(self.folder, row) for row in self.rows]

    def _read(self, folder: Path, row: Row) -> Member:
        place = folder / row.architecture.replace(":", ".")
        file = member_path(place, row.number, row.facts["epoch"])
        return load_member(file, factory=row.architecture)


@as_usual
def train(
    spec: TrainSpec,
    folder: Path | str | None = None,
    *,
    keeping: Keeping = USUAL,
    observer: Observer = SILENT,
    stop: StopRequest | None = None,
    add: bool = False,
    executor: Executor | None = None,
) -> Trained:
    """Train original models on real images.

    Args:
        spec: what they follow from.
        folder: for all original models; these go to ``[dataset]/original/[architecture]`` in it,
            one file each. Without one nothing is kept.
        keeping: what becomes of what is there, and of a run that is cut off.
        observer: watches.
        stop: asks to stop after an epoch, which is kept.
        add: whether to add to the models that are there; those keep their numbers.
        executor: trains models side by side, each as it would be here.

    Raises:
        InputError: when it cannot be done as asked.
        Stopped: when that was asked for; with ``Keeping(resume=True)`` it goes on from there.
    """
    conduct = conduct_of(TrainSpec, spec, folder, keeping, observer, stop, executor)
    truth(add=add)
    require_place(keeping, folder)
    if add and keeping.overwrite:
        raise InputError("`add=True` and `overwrite=True` exclude each other")
    if add and folder is None:
        raise InputError("`add=True` adds to the models of a `folder`: name one")
    if folder is None:
        with TemporaryDirectory() as place:
            found = train(spec, place, observer=observer, stop=stop, executor=executor)
            models = [*found.pool]
        return replace(found, folder=None, models=models)
    return conduct.ended(_trained(spec, Path(folder), conduct, add=add))


def train_piece(spec: TrainSpec, address: str, folder: Path | str, conduct: Conduct) -> None:
    """Train one of the models, in a place of its own in the folder of all.

    Args:
        spec: of all.
        address: of the model.
        folder: for all original models.
        conduct: how it is carried out.
    """
    require_address(spec, address)
    name, _, number = address.rpartition("/")
    name = find(name)[0]
    alone, place = replace(spec, models=(name,), num=1), piece_of(spec, folder, f"{name}/{number}")
    _trained(alone, place, conduct, first=int(number))


def _trained(
    spec: TrainSpec, folder: Path, conduct: Conduct, *, add: bool = False, first: int = 0
) -> Trained:
    device, observer = device_of(spec.compute), conduct.observer
    names = [find(name)[0] for name in spec.models]
    real, test = read_both(spec.data, device, observer, buildable(names))
    buildable(names)(real)  # images too small for one are found out now
    folders = [pool_folder(folder, real.domain.name, name) for name in names]
    observer.message(f"{real.domain.name}: {counted(len(real), 'training image')}, device {device}")
    describe(real, observer)
    training = Training(spec, real, conduct, folder, add, first)
    with ExitStack() as stack:
        all_series: list[Series] = []
        for one in folders:
            stack.enter_context(locked(one))
            stack.enter_context(provisional(one, lambda: any(s.begun for s in all_series)))
        pairs = zip(names, folders, strict=True)
        all_series.extend(training.claimed(*pair) for pair in pairs)
        for series in all_series:
            described(spec, series)
        for series in (one for one in all_series if one.past is None):
            length = Journal(series.folder / LOG_FILE).length
            series.file.save(series.checkpoint(series.first, length))
        whole = _spread(training, all_series)
        rows = [row for one in all_series for row in _rows(training, one, test, whole)]
        for series in all_series:
            series.file.remove()
            settle(series.folder)
        for one in (spec, whole):
            forget(one, folder)
    return Trained(real.domain.name, folders[0].parent, tuple(rows))


def _spread(training: Training, all_series: Sequence[Series]) -> TrainSpec:
    # Has an executor train what is missing and was not begun, and returns the description whose
    # pieces these are: where models are added, of more than are to be made.
    spec, first = training.spec, max(series.first for series in all_series)
    whole = replace(spec, num=first + spec.num)
    missing = [
        Unit(f"{series.name}/{number}", whole)
        for series in all_series
        for number in range(series.first, series.first + spec.num)
        if not member_path(series.folder, number, spec.epochs).exists()
        and series.state(number) is None
    ]
    spread(missing, training.root, training.conduct)
    return whole


def _rows(
    training: Training, series: Series, test: ImageSet | None, whole: TrainSpec
) -> Iterator[Row]:
    # Trains what is missing, and yields what every model came to.
    spec, real = training.spec, training.real
    for number in range(series.first, series.first + spec.num):
        path, of = member_path(series.folder, number, spec.epochs), real.domain.name
        begun = series.state(number) is not None
        piece = (whole, training.root, series, of, number)
        if path.exists() or (not begun and take_model(*piece)):
            member = load_member(path, factory=series.name)
            member.network.to(real.images.device)
            write_manifest(series.folder)
        else:
            member = _train_one(training, series, number)
        tested = None if test is None else accuracy(member.network, test, route=series.route)
        yield Row(series.name, number, member.facts, tested)


def _train_one(training: Training, series: Series, number: int) -> Member:
    # Trains one model, from the start or from where it was cut off.
    spec, conduct, name = training.spec, training.conduct, training.real.domain.name
    label, log = f"{series.name} {number}", series.folder / LOG_FILE
    keeper, past = conduct.keeping.keeper(series.file), series.past
    if past is not None and past.facts["number"] == number:
        rewind(log, int(past.facts["logged"]))
        if past.facts["epoch"]:
            conduct.observer.message(f"{label}: going on after epoch {past.facts['epoch']}")
    else:
        keeper.keep(series.checkpoint(number, Journal(log).length))
    begun = state.epoch if (state := series.state(number)) else 0
    settings = {name: series.asked[name] for name in ("model", "seed", "fit")}
    run = (name, label, settings, conduct.observer)
    with (
        conduct.keeping.journal(log, *run) as journal,
        conduct.observer.progress(label, spec.epochs, begun) as steps,
    ):
        return _fitted(training, series, number, steps=steps, journal=journal, keeper=keeper)


def _fitted(
    training: Training,
    series: Series,
    number: int,
    *,
    steps: Steps,
    journal: Journal,
    keeper: Keeper,
) -> Member:
    # Trains a model, writes it after the epochs asked for, and returns it as it is at last.
    seed, stop, state = training.spec.compute.seed, training.conduct.stop, series.state(number)
    key = Key(seed).at("original", series.name, number)
    spent = series.past.facts["seconds"] if series.past and state else 0.0
    started, last = time.perf_counter() - spent, None
    share, route = series.held_out, series.route
    epochs = train_member(
        series.name, training.real, series.fit, key=key, held_out=share, route=route, state=state
    )
    with stop.heeded("after this epoch, which is kept"):
        for epoch, member in epochs:
            loss = _finite(float(epoch.loss), epoch.number, series, number)
            steps.at(epoch.number, f"loss {loss:.3f}")
            journal.log("epoch", model=series.title, number=number, step=epoch.number, loss=loss)
            if epoch.number in series.save_epochs:
                seconds = round(time.perf_counter() - started, 2)
                facts = {"number": number, "seed": seed, **(last := member()).facts}
                facts |= {"seconds": seconds, "asked": followed_from(series.asked)}
                last = replace(last, facts=facts)
                _keep(last, series, number, epoch.number)
            if (keeper.due or stop.requested) and epoch.number < series.fit.epochs:
                seconds = time.perf_counter() - started
                keeper.keep(series.checkpoint(number, journal.length, seconds, epoch.state()))
                stop.raise_if_requested()
        stop.raise_if_requested()  # the model is written
    assert last is not None
    return last


def _keep(member: Member, series: Series, number: int, epoch: int) -> None:
    if epoch == series.fit.epochs:  # first, for a model that is there is done
        save_dynamics(member, series.folder, number)
    save_member(member, member_path(series.folder, number, epoch))
    write_manifest(series.folder)


def _finite(loss: float, epoch: int, series: Series, number: int) -> float:
    if not math.isfinite(loss):
        raise InputError(
            f"the loss of {series.name} {number} is not a finite number after epoch {epoch}; take "
            f"a smaller `lr` than {series.fit.lr:g}, and pass `overwrite=True`"
        )
    return round(loss, 6)
