"""A synthetic set made as a description says: begun, gone on with, and kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datastill.base.errors import InputError, of_kind
from datastill.base.notebooks import of_run
from datastill.base.usual import as_usual
from datastill.base.wording import counted
from datastill.compute import measuring
from datastill.data import ImageSet
from datastill.datasets import dataset_name
from datastill.distillation.methods import METHODS
from datastill.runs.conduct.given import Conduct, require_kinds, require_place
from datastill.runs.conduct.keeping import USUAL, Keeping, require_same_run
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.conduct.stop import StopRequest
from datastill.runs.costs.forecast import Plan
from datastill.runs.folders.describing import write_description
from datastill.runs.folders.filing import require_new
from datastill.runs.inputs.reading import named
from datastill.runs.making.course import Diverged, Progress, follow, progress_of
from datastill.runs.making.lengthening import (
    but_for_length,
    further,
    is_longer,
    keep_state,
    take_log,
)
from datastill.runs.making.preparing import Work, prepared
from datastill.runs.making.ranks import Ranks, ended
from datastill.runs.making.telling import announce, explained, foresee, keep, keep_good, told_again
from datastill.runs.specs import DataSpec, DistillSpec, ValidateSpec
from datastill.runs.specs.quota import parse
from datastill.runs.specs.recipes import RUN_FILE
from datastill.store import (
    LOG_FILE,
    SET_FILE,
    CheckpointFile,
    Journal,
    checkpoint_file,
    load,
    locked,
    open_run,
    place_of,
    provisional,
    set_folder,
    settle,
    through_json,
)

COMMAND = "distill"
FURTHER = "`resume=True` with more `updates` to go on with it"
"""What else can be done with a finished set."""


@dataclass(frozen=True, eq=False)
class Distilled:
    """A synthetic set that was made.

    Attributes:
        set: itself, with all that it follows from as its facts.
        folder: of the run; None where nothing was kept.
        plan: what fitted a budget of time, if there was one.
    """

    set: ImageSet
    folder: Path | None
    plan: Plan | None

    _repr_html_ = of_run


@dataclass(frozen=True, eq=False)
class Distilling:
    """A distillation that is asked for, and how.

    Attributes:
        spec: what the set follows from.
        folder: of the run.
        conduct: how it is carried out.
        facts: what else is written down of the set.
        passing: whether the folder is gone afterwards.
        ranks: processes that it is shared out over; None for this one alone.
    """

    spec: DistillSpec
    folder: Path
    conduct: Conduct
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    passing: bool = False
    ranks: Ranks | None = None

    def go(self) -> Distilled:
        """Make the set, unless it is there already."""
        work = prepared(self.spec, self.conduct.observer, self.planned, self.facts)
        with locked(self.folder):
            if self.finished(work):
                said = f"the run in {self.folder} is finished: {told_again(self.folder)}"
                self.conduct.observer.message(said)
                return Distilled(load(self.folder), self.folder, work.plan)
            require_new(self.spec, self.folder, self.conduct.keeping, FURTHER, begun=True)
            with provisional(self.folder, self.begun):
                return Distilled(self.make(work), self.folder, work.plan)

    def begun(self) -> bool:
        """Tell whether something came of the run, or it can be gone on with."""
        place = place_of(self.folder)
        return Journal(place / LOG_FILE).length > 0 or checkpoint_file(place, COMMAND).exists

    def make(self, work: Work) -> ImageSet:
        """Go through the updates, from the start or from where they were cut off."""
        path, observer, keeping = self.folder, self.conduct.observer, self.conduct.keeping
        place = place_of(path)
        past = self.past(checkpoint_file(place, COMMAND), work)
        if past is None:
            past = further(path, work, observer) if keeping.resume else None
            overwrite = keeping.overwrite or keeping.resume
            place = open_run(path, work.settings, overwrite=overwrite).path
            if past is not None:
                take_log(path, place)
        if past is not None:
            work = work.by(past.route)
            measuring.hold(past.found)
        announce(work, observer)
        if past is not None:
            observer.message(f"going on after update {past.state.step}")
        elif work.plan and self.spec.minutes:
            foresee(work, work.plan, self.spec.minutes, observer)
        return self.followed(work, past, place)

    def followed(self, work: Work, past: Progress | None, place: Path) -> ImageSet:
        """Go through the updates, and write what comes of them."""
        observer, keeping = self.conduct.observer, self.conduct.keeping
        write_description(self.repeatable(work), place / RUN_FILE)
        if self.ranks is not None:
            work = self.ranks.begin(self.repeatable(work), work, past and past.state)
        run = (work.dataset, f"{work.method} IPC{work.label}", work.settings, observer)
        file = checkpoint_file(place, COMMAND)
        with keeping.journal(place / LOG_FILE, *run) as journal:
            try:
                keeper = keeping.keeper(file)
                work, course = follow(
                    work, past, journal, observer, keeper=keeper, stop=self.conduct.stop
                )
            except Diverged as diverged:
                raise InputError(keep_good(work, diverged, place)) from None
        if work.selector is not None and course.choice is not None:
            observer.message(explained(work.selector, course.choice))
        keep_state(course.state, place, observer)
        made = keep(work, course, place)
        file.remove()
        settle(place)
        where = "" if self.passing else f" in {self.folder}"
        observer.message(
            f"{counted(len(made), 'synthetic image')} after {course.seconds:.0f} s{where}"
        )
        return made

    def repeatable(self, work: Work) -> DistillSpec:
        """Return what makes the same set again: as many updates as were planned, if they were."""
        plan = work.plan
        return self.spec if plan is None else replace(self.spec, minutes=None, updates=plan.updates)

    def past(self, file: CheckpointFile, work: Work) -> Progress | None:
        """Return where the run was cut off, if it is to go on from there."""
        held = self.conduct.past(file, work.asked)
        return None if held is None else progress_of(held, work)

    def finished(self, work: Work) -> bool:
        """Tell whether nothing remains to be done.

        Raises:
            InputError: when another run was finished there.
        """
        path = self.folder
        if not self.conduct.keeping.resume or not (path / SET_FILE).exists():
            return False
        held, asked = load(path).facts, work.asked
        longer = is_longer(held, asked)
        try:
            require_same_run(held, but_for_length(held, asked) if longer else asked, path)
        except InputError:
            if place_of(path) == path:
                raise
            return False  # another run was to replace it
        if longer:
            return False
        checkpoint_file(path, COMMAND).remove()
        return True

    def planned(self) -> Plan | None:
        """Return the plan of the run that is to go on."""
        path = self.folder
        if not self.conduct.keeping.resume:
            return None
        held = checkpoint_file(place_of(path), COMMAND).load()
        done = (path / SET_FILE).exists() and not held
        facts = load(path).facts if done else held[0].asked if held else {}
        try:
            return Plan(**facts["plan"]) if facts.get("plan") else None
        except TypeError as error:
            raise InputError(f"the run in {path} has no sound plan: {error}") from None


@as_usual
def distill(
    spec: DistillSpec,
    folder: Path | str | None = None,
    *,
    keeping: Keeping = USUAL,
    observer: Observer = SILENT,
    stop: StopRequest | None = None,
    facts: Mapping[str, Any] | None = None,
    ranks: Ranks | None = None,
) -> Distilled:
    """Make a small synthetic set from real training images.

    Args:
        spec: what the set follows from.
        folder: of the run: the set, its picture and course, checkpoints; None to keep nothing.
        keeping: what becomes of what is there, and of a run that is cut off.
        observer: watches.
        stop: asks to stop after an update, which is kept.
        facts: what else is written down of the set, as JSON can hold it.
        ranks: the processes of torchrun, of which this is the first; see ``runs.making.ranks``.

    Raises:
        InputError: when it cannot be done as asked.
        Stopped: when that was asked for; with ``Keeping(resume=True)`` it goes on from there.
    """
    require_kinds(DistillSpec, spec, folder, keeping=keeping, observer=observer, stop=stop)
    of_kind((Mapping, type(None)), "values by their names", facts=facts)
    require_place(keeping, folder)
    try:
        more: dict[str, Any] = through_json(dict(facts or {}))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"`facts` must be what JSON can hold: {error}") from None
    if folder is not None:
        conduct = Conduct.of(keeping, observer, stop, folder)
        with ended(ranks):
            return conduct.ended(Distilling(spec, Path(folder), conduct, more, ranks=ranks).go())
    with TemporaryDirectory() as place:
        conduct = Conduct.of(USUAL, observer, stop)
        found = Distilling(spec, Path(place), conduct, more, passing=True).go()
    return Distilled(found.set, None, found.plan)


def judged_by(spec: DistillSpec, folder: Path, trials: int) -> ValidateSpec:
    """Return what tests the set of a run by so many networks, of its own architecture."""
    test, models = DataSpec(spec.data.name, path=spec.data.path), (spec.model,)
    return ValidateSpec(
        set=str(folder), data=test, compute=spec.compute, models=models, trials=trials
    )


def folder_of(spec: DistillSpec, root: Path | str) -> Path:
    """Return where a set lies in a folder for synthetic sets: by dataset, method and ipc."""
    dataset = dataset_name(named(spec.data), spec.data.path, spec.data.sides)
    return set_folder(Path(root), dataset, METHODS.spelling(spec.method), parse(spec.ipc).label)
