"""The whole job on one dataset: runs in the order of the work, from real images to a tested set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.datasets import dataset_name, is_testable, untestable
from datastill.distillation.descent import starting_counts
from datastill.distillation.methods import METHODS
from datastill.distillation.methods.base import Need
from datastill.exchange import FOLDERS
from datastill.networks import find
from datastill.runs.conduct.keeping import USUAL, Keeping
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.conduct.stop import StopRequest
from datastill.runs.folders.filing import filed, require_new
from datastill.runs.inputs.guiding import guided
from datastill.runs.inputs.reading import named, read_train, reading
from datastill.runs.inputs.series import rests
from datastill.runs.making.distilling import distill, folder_of
from datastill.runs.making.exchanging import give_anew, require_ours
from datastill.runs.making.preparing import settled
from datastill.runs.making.training import train
from datastill.runs.specs import DataSpec, DistillSpec, Spec, TrainSpec, ValidateSpec
from datastill.runs.specs.quota import parse
from datastill.runs.validation.validating import validate
from datastill.store import SET_FILE, pool_folder, require_free


@dataclass(frozen=True)
class Whole:
    """What is done, one after the other.

    Attributes:
        train: original models; None where none are asked.
        distill: the set.
        validate: what it is worth; ``validate.set`` is where the set is to lie.
    """

    train: TrainSpec | None
    distill: DistillSpec
    validate: ValidateSpec

    @property
    def lent(self) -> bool:
        """Whether no models are trained where there are some already: they serve, and stay."""
        return self.train is not None and not _own(self.distill)

    @property
    def steps(self) -> tuple[Spec, ...]:
        """The runs, in their order."""
        first = () if self.train is None else (self.train,)
        return (*first, self.distill, self.validate)


def whole(
    spec: DistillSpec,
    root: Path | str = "condensed",
    *,
    original_epochs: int = 30,
    epochs: int = 300,
    trials: int = 3,
    against: Sequence[str] = ("random",),
) -> Whole:
    """Return all runs of the job, of what is to be distilled.

    Args:
        spec: that. With CLOM, or a method that needs them, as many original models as its pool
            counts are trained first.
        root: folder for synthetic sets.
        original_epochs: passes over the real images for each original model.
        epochs: passes over the set when networks are trained to test it.
        trials: networks to test it with.
        against: real images to hold it against, by the coresets that pick them.

    Raises:
        InputError: for what makes no sense; where original models are needed, for want of
            their number.
    """
    data, compute, train = spec.data, spec.compute, _originals(spec, original_epochs)
    if not _own(spec):  # none have a part in it, or all that are there
        spec = replace(spec, pool=replace(spec.pool, num=None))
    validate = ValidateSpec(
        set=str(folder_of(spec, root)),
        data=DataSpec(data.name, path=data.path),  # how it is read says the set
        compute=compute,
        models=(spec.model,),
        trials=trials,
        epochs=epochs,
        against=tuple(against),
    )
    return Whole(train, spec, validate)


def carried_out(
    plan: Whole,
    export: str | None = None,
    facts: Mapping[str, Any] | None = None,
    *,
    keeping: Keeping = USUAL,
    observer: Observer = SILENT,
    stop: StopRequest | None = None,
) -> Iterator[Any]:
    """Carry out the whole job, and yield what each step found: ``Trained``, ``Distilled``, ...

    Args:
        plan: the runs. The set gets the folder of its validation, or one beside it (``filed``).
        export: name of a format in which the set is written too, beside itself; again, where what
            is there is of the set as it was before, see ``give_anew``.
        facts: what else the set is to remember.
        keeping: what becomes of what is there, and of a run that is cut off.
        observer: watches.
        stop: asks to stop.

    Raises:
        InputError: before anything is made, where that can be found out then.
        Stopped: when that was asked for.
    """
    folder = filed(plan.distill, Path(plan.validate.set), keeping, observer)
    require_new(plan.distill, folder, keeping, "`resume=True` to go on after it")
    require_free(folder, (SET_FILE,), overwrite=keeping.overwrite or keeping.resume)
    exported = export and export_place(folder, export, again=keeping.resume)
    require_possible(plan, observer)
    if plan.train is not None and not (plan.lent and _served(plan.distill, observer)):
        how: dict[str, Any] = {"keeping": keeping, "observer": observer, "stop": stop}
        yield train(plan.train, plan.distill.pool.path, **how)
    yield distill(plan.distill, folder, keeping=keeping, observer=observer, stop=stop, facts=facts)
    judging, keeping = replace(plan.validate, set=str(folder)), replace(keeping, overwrite=False)
    yield validate(judging, folder, keeping=keeping, observer=observer, stop=stop)
    if export and exported and (given := give_anew(folder / SET_FILE, export, exported)):
        yield given


def _originals(spec: DistillSpec, epochs: int) -> TrainSpec | None:
    needs, num, models = METHODS[spec.method](1).needs, spec.pool.num, originals_of(spec)
    if not models or (num is None and not _own(spec)):
        return None
    if num is None:
        raise InputError("`pool.num` says how many original models are trained; give it")
    return TrainSpec(
        data=spec.data,
        compute=spec.compute,
        models=models,
        num=num,
        epochs=epochs,
        save_epochs=tuple(range(1, epochs)) if "trajectories" in needs else (),
    )


def originals_of(spec: DistillSpec) -> tuple[str, ...]:
    """Return the architectures of the original models that a distillation cannot do without."""
    asked = (spec.model,) if METHODS[spec.method](1).needs else ()
    return tuple(dict.fromkeys((*_guides(spec), *asked)))


def usual_number(spec: DistillSpec) -> int:
    """Return how many original models do, where nobody says: one to compare images under (CIM)."""
    alone = METHODS[spec.method](1).needs == frozenset[Need]({"originals"}) and not _own(spec)
    return 1 if alone else 3


def _guides(spec: DistillSpec) -> tuple[str, ...]:
    guiding = guided(spec, METHODS[spec.method](1))
    return guiding.pool.architectures if guiding.clom else ()


def _own(spec: DistillSpec) -> bool:
    # Whether the models are a part of the set's recipe, so that others will not do.
    return bool(_guides(spec)) or "ends" in METHODS[spec.method](1).needs


def _served(spec: DistillSpec, observer: Observer) -> bool:
    # Whether models are there that nobody is training any more.
    dataset = dataset_name(named(spec.data), spec.data.path, spec.data.sides)
    folder = pool_folder(Path(spec.pool.path), dataset, find(spec.model)[0])
    if served := rests(folder):
        observer.message(f"the original models in {folder} serve")
    return served


def export_place(folder: Path, format: str, *, again: bool = False) -> Path:
    """Return where a set is written for other programs, beside itself.

    Args:
        folder: of the set.
        format: its name.
        again: whether it may be there already, as an export of datastill's own.

    Raises:
        InputError: when something is there, something else then.
    """
    path = folder / ("export" if format in FOLDERS else f"export.{format}")
    if path.exists() and not again:
        raise InputError(f"{path} is there, which is never replaced; move it away")
    if path.exists():
        require_ours(path, format)
    return path


def require_possible(plan: Whole, observer: Observer = SILENT) -> None:
    """Refuse what would be found out only when much is done.

    Args:
        plan: the runs.
        observer: watches how data is read.

    Raises:
        InputError: for a dataset on which nothing can be tested; where original models are trained
            first, for a class with too few images to start from.
    """
    spec = plan.distill
    how = reading(spec.data, observer)
    if not is_testable(named(spec.data), spec.data.path, how):
        raise untestable(named(spec.data), how)
    if plan.train is not None:
        real = read_train(spec.data, "cpu", observer)
        ipc = parse(spec.ipc).counts(real)
        starting_counts(real, settled(spec, ipc)[1])
