"""The original models of one architecture that are to be trained, and what is kept of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.base.wording import counted
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.identity import require_trained_on
from datastill.runs.conduct.given import Conduct
from datastill.runs.conduct.keeping import require_same_run
from datastill.runs.folders.describing import descriptions, following, number_of, write_description
from datastill.runs.folders.provenance import Provenance
from datastill.runs.folders.underway import fitting_of, tensors_of_fitting
from datastill.runs.inputs.computing import route_of
from datastill.runs.specs import TrainSpec
from datastill.runs.specs.recipes import RUN_FILE
from datastill.store import (
    LOG_FILE,
    Checkpoint,
    CheckpointFile,
    Journal,
    begin,
    checkpoint_file,
    fingerprint,
    load_member,
    member_path,
    members_in,
    place_of,
)
from datastill.training.fit import Fit, Fitting
from datastill.training.pool import original_fit

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
        logged: bytes of the journal when this began, or went on.
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
    logged: int = 0

    @property
    def begun(self) -> bool:
        """Whether it goes on with something, or an epoch was gone through since."""
        return self.past is not None or Journal(self.folder / LOG_FILE).length != self.logged

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
    there = dict(descriptions(file))
    held = [(path, one) for path, one in there.items() if isinstance(one, TrainSpec)]
    if series.first + spec.num <= sum(one.num for _, one in held):
        return  # it goes on, or is finished
    last, before = held[-1] if held else (file, alone)
    if held and replace(before, num=spec.num) == alone:
        write_description(replace(alone, num=before.num + spec.num), last)
    elif series.first:  # the first may be of a datastill that wrote no such file
        write_description(alone, following(file, 1 + max(map(number_of, there), default=1)))
    else:
        write_description(alone, file)


def rests(folder: Path) -> bool:
    """Tell whether a folder has original models, and no training of some is under way there."""
    begun = checkpoint_file(place_of(folder), COMMAND).exists
    return not begun and any(True for _ in members_in(folder))


def followed_from(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model follows from: of what was asked for, all but how many there are."""
    return {name: value for name, value in asked.items() if name != "num"}


@dataclass(frozen=True, eq=False)
class Training:
    """A training that is asked for: which models there are, and which are to be made.

    Attributes:
        spec: what the models follow from.
        real: training images.
        conduct: what becomes of what is there.
        root: for all original models.
        add: whether models are added to those that are there.
        first: number of the first model, where there are none.
    """

    spec: TrainSpec
    real: ImageSet
    conduct: Conduct
    root: Path
    add: bool = False
    first: int = 0

    def claimed(self, name: str, folder: Path) -> Series:
        """Return what is to be trained in a folder, and from where on.

        Raises:
            InputError: when the folder holds models, or a run that is not finished, and nothing
                was said of them.
        """
        spec, place, asked = self.spec, place_of(folder), self.asked(name)
        fit, saved = fit_of(spec), frozenset({*spec.save_epochs, spec.epochs})
        past = self.conduct.past(checkpoint_file(place, COMMAND), asked, folder)
        if past is not None:
            try:
                first, route = int(past.facts["first"]), Route(**past.facts["route"])
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise InputError(f"the checkpoint is none of a training: {error!r}") from None
        else:
            place, first = self.claim(folder, asked)
            route = route_of(spec.compute, name, self.real.domain)
        logged = Journal(place / LOG_FILE).length
        return Series(name, place, first, fit, spec.held_out, saved, route, asked, past, logged)

    def claim(self, folder: Path, asked: dict[str, Any]) -> tuple[Path, int]:
        """Return where the models of a folder are to be made, and the number of the first.

        Those that are to be replaced stay until the others are finished.
        """
        keeping = self.conduct.keeping
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
            there = f"{folder} holds {counted(len(held), 'original model')}"
            raise InputError(
                f"{there}; pass `add=True` to add to them or `overwrite=True` to replace them",
                typed=f"{there}; --overwrite replaces them, 'datastill train --add' adds others",
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
                if self.add or self.conduct.keeping.overwrite or "asked" not in facts:
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


def fit_of(spec: TrainSpec) -> Fit:
    """Return how models are trained."""
    fit = original_fit(spec.epochs)
    return replace(fit, lr=spec.lr, batch=spec.batch, weight_decay=spec.weight_decay)
