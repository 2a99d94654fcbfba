"""The original models that judge in a study: others', or its own, which it trains briefly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.identity import called, described
from datastill.networks import find
from datastill.runs.conduct import differences
from datastill.runs.conduct.given import Conduct
from datastill.runs.conduct.keeping import Keeping
from datastill.runs.folders.gathering import JUDGES
from datastill.runs.inputs.originals import Shelf
from datastill.runs.inputs.series import COMMAND
from datastill.runs.making.training import train, train_piece
from datastill.runs.specs import JudgesSpec, StudySpec, TrainSpec
from datastill.runs.studies.examining import Ongoing
from datastill.store import StudyFolder, checkpoint_file, members_in, pool_folder
from datastill.training.pool import Pool, by_epoch

OWN = "pretrained_model"
"""Where a study keeps its own, in its folder."""
FILE, EARLY_FILE = JUDGES, "judges-after-{}.json"


@dataclass(frozen=True, eq=False)
class Judges:
    """Those who judge in a study.

    Attributes:
        pool: original models.
        early: original models as they were after early epochs.
        guides: those that guide, and serve methods and coresets that ask some.
    """

    pool: Pool
    early: Pool
    guides: Pool


def loaded(spec: StudySpec, folder: Path, real: ImageSet) -> Judges:
    """Read the models.

    Args:
        spec: of the study.
        folder: of the study.
        real: training images.

    Raises:
        InputError: when there are too few, they were trained on other images, or some that guide
            judge as well where others are to.
    """
    judges = spec.judges
    epoch = judges.pool_epochs if judges.path is None else judges.epoch
    shelf = Shelf(judges.path or folder / OWN, real)
    names, num = judges.architectures, judges.num
    early = [m for epoch in judges.early_epochs for m in shelf.load(names, num, epoch=epoch)]
    pool = shelf.load(names, num, epoch=epoch)
    return Judges(pool, early, guides_of(spec, real, pool))


def guides_of(spec: StudySpec, real: ImageSet, judges: Pool = ()) -> Pool:
    """Return the original models that guide in a study.

    Args:
        spec: of the study.
        real: training images.
        judges: those that judge.

    Raises:
        InputError: when they are to be others than those, and are not.
    """
    if spec.guides is None:
        return judges
    guides = Shelf(spec.guides, real).load([spec.model], None)
    known = {one["weights"]: one for one in described(judges)}
    both = [called(one) for one in described(guides) if one["weights"] in known]
    if both:
        raise InputError(
            f"{both[0]} in `guides` judges as well; train those that judge from another `seed`"
        )
    return guides


def train_own(spec: StudySpec, name: str, ongoing: Ongoing) -> None:
    """Train as many models as are missing; one that was left unfinished is not counted.

    Args:
        spec: of the study.
        name: of the dataset.
        ongoing: the study, whose observer is told, for it may take longer than the rest.
    """
    judges, folder, conduct = spec.judges, ongoing.folder.path, ongoing.conduct
    minutes = conduct.keeping.checkpoint_minutes
    for model in (find(model)[0] for model in judges.architectures):
        place = pool_folder(folder / OWN, name, model)
        missing, cut_off = _missing(judges, place), checkpoint_file(place, COMMAND).load()
        if missing:
            conduct.observer.message(
                f"training {missing} {model} to judge by, {counted(judges.pool_epochs, 'epoch')} "
                "each; `judges.path` takes models that are there"
            )
        if cut_off is not None:
            num = int(cut_off[0].asked.get("num", judges.num))
            keeping = Keeping(resume=True, checkpoint_minutes=minutes)
            train(_training(spec, model, num), folder / OWN, keeping=keeping, stop=conduct.stop)
            missing = _missing(judges, place)
        if missing:
            keeping = Keeping(checkpoint_minutes=minutes)
            more = _training(spec, model, missing)
            train(more, folder / OWN, keeping=keeping, stop=conduct.stop, add=True)


def lacks_own(spec: StudySpec, name: str, folder: Path) -> bool:
    """Tell whether models of its own are missing in the folder of a study of a dataset."""
    models = (find(model)[0] for model in spec.judges.architectures)
    return any(_missing(spec.judges, pool_folder(folder / OWN, name, model)) for model in models)


def train_own_piece(spec: StudySpec, name: str, folder: Path, conduct: Conduct) -> None:
    """Train one of the study's own models; see ``train_piece``.

    Args:
        spec: of the study.
        name: architecture and number of the model.
        folder: of the study.
        conduct: how it is carried out.
    """
    model, _, number = name.rpartition("/")
    model, _ = find(model)
    alone = _training(spec, model, spec.judges.num)
    train_piece(alone, f"{model}/{number}", folder / OWN, conduct)


def keep(folder: StudyFolder, judges: Judges) -> None:
    """Write down who judges, or make sure that they are those who judged before.

    Raises:
        InputError: when they are others.
    """
    hint = "pass `reassess=True` to score every set anew"
    pools = {FILE: judges.pool}
    pools |= {EARLY_FILE.format(epoch): pool for epoch, pool in by_epoch(judges.early).items()}
    for file, pool in pools.items():
        folder.keep(file, {"pool": described(pool)}, hint, told=differences.told)


def forget(folder: StudyFolder) -> None:
    """Drop what tells who judged."""
    for file in folder.path.glob(EARLY_FILE.format("*")):
        folder.forget(file.name)
    folder.forget(FILE)


def _training(spec: StudySpec, model: str, num: int) -> TrainSpec:
    return TrainSpec(
        data=spec.data,
        compute=spec.compute,
        models=(model,),
        num=num,
        epochs=spec.judges.pool_epochs,
        lr=0.05,
        batch=64,
        weight_decay=5e-4,
        save_epochs=spec.judges.early_epochs,
    )


def _missing(judges: JudgesSpec, folder: Path) -> int:
    held = sum(epoch == judges.pool_epochs for _, epoch, _ in members_in(folder))
    return max(0, judges.num - held)
