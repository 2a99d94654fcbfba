"""A study: which assessment to trust, found out on many sets that networks are trained on."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from datastill.base.errors import InputError, truth
from datastill.base.usual import as_usual
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.datasets import dataset_name
from datastill.evaluation.alike import tell_of_alike
from datastill.evaluation.studies import Record
from datastill.evaluation.studies.scopes import LEAST
from datastill.runs.conduct import differences
from datastill.runs.conduct.futures import Executor
from datastill.runs.conduct.given import conduct_of
from datastill.runs.conduct.keeping import USUAL, Keeping
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.conduct.stop import StopRequest
from datastill.runs.executors.pieces import forget
from datastill.runs.folders.describing import add_description
from datastill.runs.inputs.originals import told
from datastill.runs.inputs.reading import describe, tell_mirror
from datastill.runs.specs import StudySpec
from datastill.runs.specs.population import without_theirs
from datastill.runs.specs.recipes import RUN_FILE
from datastill.runs.studies import judging
from datastill.runs.studies.apart import Apart, take_sets
from datastill.runs.studies.examining import SETTINGS, Ongoing, forget_scores
from datastill.runs.studies.findings import Studied, written
from datastill.runs.studies.judging import Judges
from datastill.runs.studies.material import Material, bench_of, read, settings_of, workshop
from datastill.runs.studies.pieces import SCORES, taken
from datastill.store import StudyFolder, locked, provisional, read_json

BEGUN_WITH = (SETTINGS, "judges*.json", "run*.toml")
"""What is written before the first step, by patterns."""
WRITTEN_LATER = ("device", "engine")
"""What an earlier version did not write down."""


def folder_of(spec: StudySpec, root: Path | str) -> Path:
    """Return the folder of a study in the one for all."""
    return Path(root) / dataset_name(str(spec.data.name), spec.data.path, spec.data.sides)


@as_usual
def study(
    spec: StudySpec,
    folder: Path | str | None = None,
    *,
    keeping: Keeping = USUAL,
    observer: Observer = SILENT,
    stop: StopRequest | None = None,
    reassess: bool = False,
    executor: Executor | None = None,
) -> Studied:
    """Make sets that differ, assess and validate each, and tell how the two agree.

    In a folder where it was begun it goes on where it stopped, and computes nothing twice.

    Args:
        spec: what it follows from.
        folder: of the study. Without it nothing is left but what is returned.
        reassess: score every set anew, for other original models; accuracies stay.
        keeping: how often a set that is distilled, or a network that is trained, is kept.
        observer: watches.
        stop: asks to stop, which is heeded after every update and epoch.
        executor: makes, assesses and validates sets side by side, as it would be done here.

    Raises:
        InputError: when it makes no sense; when the study in the folder is another; when it is
            judged by others than before, and is not to be scored anew.
        Stopped: as asked.
    """
    conduct = conduct_of(StudySpec, spec, folder, keeping, observer, stop, executor)
    truth(reassess=reassess)
    if keeping.overwrite or keeping.sinks:
        raise InputError(
            "a study goes on with what it has and keeps no journal: of `keeping` it takes "
            "`checkpoint_minutes` and `report_minutes`, and another `folder` to start over"
        )
    material = read(spec, observer)
    with _place(folder) as path:
        ongoing = Ongoing(StudyFolder(path), conduct)
        studied = conduct.ended(_studied(spec, material, ongoing, reassess))
    return studied if folder is not None else replace(studied, folder=None, plots=())


def _studied(spec: StudySpec, material: Material, ongoing: Ongoing, reassess: bool) -> Studied:
    folder, observer = ongoing.folder, ongoing.conduct.observer
    held = folder.names()
    names = {*held, *material.names}
    if len(names) < LEAST:
        raise InputError(f"a study needs at least {LEAST} sets, found {len(names)}")
    describe(material.real, observer)
    tell_mirror(material.real, observer)
    for line in without_theirs(material.wanted, held):
        observer.message(line)
    before = _came(folder.path)
    with (
        locked(folder.path),
        provisional(folder.path, lambda: _came(folder.path) != before, BEGUN_WITH),
    ):
        if ongoing.conduct.executor is not None:
            _keep_settings(spec, folder, material)
            if reassess:
                forget_scores(folder)
                forget(spec, folder.path, SCORES)
            Apart(spec, material, ongoing).go()
        judges = _judges(spec, material, ongoing, reassess)
        add_description(spec, folder.path / RUN_FILE, observer)
        by = told(judges.pool, judges.early)
        by += f", guided by {told(judges.guides, ())}" if spec.guides else ""
        observer.message(f"{folder.path}: {counted(len(names), 'set')}, judged by {by}")
        return _examined(spec, material, judges, ongoing)


def _came(path: Path) -> dict[Path, int]:
    # What came of a study so far: sets, what is known of them, models, and what is under way.
    found = [
        *path.glob("sets/*/*"),
        *path.rglob("model_*"),
        *path.glob("*.checkpoint"),
        *path.glob(".pieces/*"),
    ]
    return {one: one.stat().st_mtime_ns for one in found}


def _examined(spec: StudySpec, material: Material, judges: Judges, ongoing: Ongoing) -> Studied:
    folder, bench = ongoing.folder, bench_of(spec, material, judges)
    take_sets(spec, material, judges, folder)
    ongoing.make(workshop(spec, material, judges, folder.path / judging.OWN), material.wanted)
    asked = settings_of(spec, material)

    def apart(record: Record, data: ImageSet) -> Record:
        return taken(spec, folder.path, record, data, asked, judges)

    records = ongoing.examine(bench, spec.assessments, spec.trials, spec.draws, apart)
    networks = [(record.name, trial) for record in records for trial in record.trials]
    tell_of_alike(networks, ongoing.conduct.observer.message)
    studied = written(folder, bench, records, spec.trials, ongoing.conduct.observer)
    ongoing.file.remove()
    forget(spec, folder.path)
    return studied


@contextmanager
def _place(folder: Path | str | None) -> Generator[Path]:
    if folder is not None:
        yield Path(folder)
        return
    with TemporaryDirectory(prefix="datastill-study-") as made:
        yield Path(made)


def _judges(spec: StudySpec, material: Material, ongoing: Ongoing, reassess: bool) -> Judges:
    # Original models are trained if the study has none; nothing is, in a folder of another study.
    folder, real = ongoing.folder, material.real
    if spec.judges.path is None:
        _keep_settings(spec, folder, material)
        judging.train_own(spec, real.domain.name, ongoing)
    judges = judging.loaded(spec, folder.path, real)
    _keep_settings(spec, folder, material)
    if reassess:
        forget_scores(folder)
        judging.forget(folder)
    judging.keep(folder, judges)
    return judges


def _keep_settings(spec: StudySpec, folder: StudyFolder, material: Material) -> None:
    # Written down, or made sure that it is what it was.
    wanted, file = settings_of(spec, material), folder.path / SETTINGS
    if file.exists():
        held = read_json(file)
        wanted = {k: v for k, v in wanted.items() if k in held or k not in WRITTEN_LATER}
    folder.keep(SETTINGS, wanted, "take another `folder`", told=differences.told)
