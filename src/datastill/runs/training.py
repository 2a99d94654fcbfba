"""Original models: trained as a description says, written one by one, and gone on with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datastill.base.errors import InputError, truth
from datastill.base.rng import Key
from datastill.base.wording import counted
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.identity import require_trained_on
from datastill.networks import build, find
from datastill.runs.computing import device_of, route_of
from datastill.runs.given import require_kinds
from datastill.runs.keeping import USUAL, Keeping, require_same_run
from datastill.runs.observer import SILENT, Observer
from datastill.runs.pieces import forget, require_address, take_model
from datastill.runs.pieces import place_of as piece_of
from datastill.runs.provenance import Provenance
from datastill.runs.reading import buildable, describe, read_both
from datastill.runs.series import COMMAND, Series, described, fitted, followed_from
from datastill.runs.specs import TrainSpec
from datastill.runs.stop import StopRequest
from datastill.store import (
    LOG_FILE,
    Journal,
    begin,
    checkpoint_file,
    fingerprint,
    load_member,
    locked,
    member_path,
    members_in,
    place_of,
    pool_folder,
    require_sinks,
    rewind,
    settle,
    write_manifest,
)
from datastill.training.fit import Fit, accuracy
from datastill.training.pool import Member, Pool, original_fit


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


@dataclass(frozen=True, eq=False)
class Training:
    """A training that is asked for, and how.

    Attributes:
        spec: what the models follow from.
        real: training images.
        keeping: what becomes of what is there.
        add: whether models are added to those that are there.
        observer: watches.
        stop: asks to stop.
        root: for all original models.
        first: number of the first model, where there are none.
    """

    spec: TrainSpec
    real: ImageSet
    keeping: Keeping
    add: bool
    observer: Observer
    stop: StopRequest
    root: Path
    first: int = 0

    def claimed(self, name: str, folder: Path) -> Series:
        """Return what is to be trained in a folder, and from where on.

        Raises:
            InputError: when the folder holds models, or a run that is not finished, and nothing
                was said of them.
        """
        spec, place, asked = self.spec, place_of(folder), self.asked(name)
        fit, saved = fit_of(spec), frozenset({*spec.save_epochs, spec.epochs})
        past = self.keeping.found(checkpoint_file(place, COMMAND), self.observer)
        if past is not None:
            require_same_run(past.asked, asked, folder, self.observer)
            try:
                first, route = int(past.facts["first"]), Route(**past.facts["route"])
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise InputError(f"the checkpoint is none of a training: {error!r}") from None
            return Series(name, place, first, fit, spec.held_out, saved, route, asked, past)
        place, first = self.claim(folder, asked)
        route = route_of(spec.compute, name, self.real.domain)
        return Series(name, place, first, fit, spec.held_out, saved, route, asked)

    def claim(self, folder: Path, asked: dict[str, Any]) -> tuple[Path, int]:
        """Return where the models of a folder are to be made, and the number of the first.

        Those that are to be replaced stay until the others are finished.
        """
        keeping = self.keeping
        unfinished = checkpoint_file(place_of(folder), COMMAND).exists
        if unfinished and not keeping.overwrite:
            raise InputError(
                f"{folder} holds original models of a run that is not finished; pass `resume=True` "
                "to go on with it, or `overwrite=True` to start over"
            )
        held = sorted({number for number, _, _ in members_in(folder)})
        num = self.spec.num
        if keeping.resume and self.finished(folder, held[-num:], asked):
            return folder, held[-num]
        if held and not (self.add or keeping.overwrite):
            raise InputError(
                f"{folder} holds {counted(len(held), 'original model')}; pass `add=True` to add to "
                "them or `overwrite=True` to replace them"
            )
        if keeping.overwrite:
            return begin(folder, beside=bool(held)), self.first
        self.require_alike(folder, asked["model"])
        return folder, max(held, default=self.first - 1) + 1

    def require_alike(self, folder: Path, name: str) -> None:
        """Refuse to add to models that were trained on other images."""
        held = (load_member(path, factory=name) for _, _, path in members_in(folder))
        require_trained_on(held, self.real.facts, self.real.domain.name)

    def finished(self, folder: Path, numbers: Sequence[int], asked: dict[str, Any]) -> bool:
        """Tell whether these are the models that would be made.

        Raises:
            InputError: naming a difference, unless others are to be added.
        """
        spec, name, wanted = self.spec, asked["model"], followed_from(asked)
        if len(numbers) < spec.num:
            return False
        for number in numbers:
            epochs = {*spec.save_epochs, spec.epochs}
            paths = [member_path(folder, number, epoch) for epoch in epochs]
            path = member_path(folder, number, spec.epochs)
            facts = load_member(path, factory=name).facts if path.exists() else {}
            key = Key(spec.compute.seed).at("original", name, number)
            try:
                require_same_run(facts.get("asked") or {}, wanted, folder)
            except InputError:
                if self.add or self.keeping.overwrite or "asked" not in facts:
                    return False
                raise
            if facts.get("key") != key.seed or not all(path.exists() for path in paths):
                return False
        return True

    def asked(self, name: str) -> dict[str, Any]:
        """Return all that the models follow from."""
        spec = self.spec
        resolved = {
            "model": name,
            "num": spec.num,
            "fit": asdict(fit_of(spec)),
            "save_epochs": sorted({*spec.save_epochs}),
            "held_out": spec.held_out,
        }
        data = {"real_images": len(self.real), "real_fingerprint": fingerprint(self.real)}
        return Provenance.here(spec, self.real.images.device.type, resolved, data).asked

    def rows(self, series: Series, test: ImageSet | None) -> Iterator[Row]:
        """Train what is missing, and yield what every model came to."""
        for number in range(series.first, series.first + self.spec.num):
            path, of = member_path(series.folder, number, self.spec.epochs), self.real.domain.name
            begun = series.state(number) is not None
            piece = (self.spec, self.root, series, of, number)
            if path.exists() or (not begun and take_model(*piece)):
                member = load_member(path, factory=series.name)
                member.network.to(self.real.images.device)
                write_manifest(series.folder)
            else:
                member = self.train_one(series, number)
            tested = None if test is None else accuracy(member.network, test, route=series.route)
            yield Row(series.name, number, member.facts, tested)

    def train_one(self, series: Series, number: int) -> Member:
        """Train one model, from the start or from where it was cut off."""
        label, log = f"{series.name} {number}", series.folder / LOG_FILE
        keeper, past = self.keeping.keeper(series.file), series.past
        if past is not None and past.facts["number"] == number:
            rewind(log, int(past.facts["logged"]))
            if past.facts["epoch"]:
                self.observer.message(f"{label}: going on after epoch {past.facts['epoch']}")
        else:
            keeper.keep(series.checkpoint(number, Journal(log).length))
        begun = state.epoch if (state := series.state(number)) else 0
        settings = {name: series.asked[name] for name in ("model", "seed", "fit")}
        run = (self.real.domain.name, label, settings, self.observer)
        with (
            self.keeping.journal(log, *run) as journal,
            self.observer.progress(label, self.spec.epochs, begun) as steps,
        ):
            return fitted(
                *(series, number, self.real, self.spec.compute.seed),
                steps=steps,
                journal=journal,
                keeper=keeper,
                stop=self.stop,
            )


def train(
    spec: TrainSpec,
    folder: Path | str | None = None,
    *,
    keeping: Keeping = USUAL,
    observer: Observer = SILENT,
    stop: StopRequest | None = None,
    add: bool = False,
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

    Raises:
        InputError: when it cannot be done as asked.
        Stopped: when that was asked for; with ``Keeping(resume=True)`` it goes on from there.
    """
    require_kinds(TrainSpec, spec, folder, keeping=keeping, observer=observer, stop=stop)
    truth(add=add)
    require_sinks(keeping.sinks)
    if folder is None:
        with TemporaryDirectory() as place:
            found = train(spec, place, observer=observer, stop=stop)
            models = [*found.pool]
        return replace(found, folder=None, models=models)
    return _trained(spec, Path(folder), keeping, observer, stop or StopRequest(), add)


def train_piece(
    spec: TrainSpec,
    address: str,
    folder: Path | str,
    *,
    keeping: Keeping = USUAL,
    observer: Observer = SILENT,
    stop: StopRequest | None = None,
) -> None:
    """Train one of the models, in a place of its own in the folder of all.

    Args:
        spec: of all.
        address: of the model.
        folder: for all original models.
        keeping: see ``train``; so are the others.
        observer: likewise.
        stop: likewise.
    """
    require_address(spec, address)
    name, _, number = address.rpartition("/")
    name = find(name)[0]
    alone, place = replace(spec, models=(name,), num=1), piece_of(spec, folder, f"{name}/{number}")
    given = (keeping, observer, stop or StopRequest(), False, int(number))
    _trained(alone, place, *given)


def _trained(
    spec: TrainSpec,
    folder: Path,
    keeping: Keeping,
    observer: Observer,
    stop: StopRequest,
    add: bool,
    first: int = 0,
) -> Trained:
    device = device_of(spec.compute)
    names = [find(name)[0] for name in spec.models]
    real, test = read_both(spec.data, device, observer, buildable(names))
    for name in names:
        build(name, real.domain, key=Key(0))  # images too small for it are found out now
    folders = [pool_folder(folder, real.domain.name, name) for name in names]
    observer.message(f"{real.domain.name}: {len(real)} training images, device {device}")
    describe(real, observer)
    training = Training(spec, real, keeping, add, observer, stop, folder, first)
    with ExitStack() as stack:
        for one in dict.fromkeys(folders):
            stack.enter_context(locked(one))
        pairs = zip(names, folders, strict=True)
        all_series = [training.claimed(*pair) for pair in pairs]
        for series in all_series:
            described(spec, series)
        for series in (one for one in all_series if one.past is None):
            length = Journal(series.folder / LOG_FILE).length
            series.file.save(series.checkpoint(series.first, length))
        rows = [row for one in all_series for row in training.rows(one, test)]
        for series in all_series:
            series.file.remove()
            settle(series.folder)
        forget(spec, folder)
    return Trained(real.domain.name, folders[0].parent, tuple(rows))


def fit_of(spec: TrainSpec) -> Fit:
    """Return how models are trained."""
    fit = original_fit(spec.epochs)
    return replace(fit, lr=spec.lr, batch=spec.batch, weight_decay=spec.weight_decay)
