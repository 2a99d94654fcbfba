"""How far a run is that goes on, or was cut off, as its files say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datastill.base.errors import damaged
from datastill.base.wording import counted
from datastill.evaluation.plan import Result, collect
from datastill.evaluation.studies import Record, record_of
from datastill.report.page.held import Exam, Standing
from datastill.runs.folders.describing import descriptions
from datastill.runs.specs import StudySpec
from datastill.runs.specs.population import wanted
from datastill.runs.specs.recipes import RUN_FILE
from datastill.runs.studies.examining import SETTINGS
from datastill.runs.validation.trials import trials_of
from datastill.store import CheckpointFile, StudyFolder, read_json
from datastill.store.studies import RECORD_FILE, SETS_FOLDER


def of_study(folder: Path) -> Standing:
    """Return how far a study is.

    Raises:
        InputError: when a file of it is damaged.
    """
    held = StudyFolder(folder)
    made, specs = held.names(), _specs(folder)
    asked = {one.name for spec in specs for one in wanted(spec, own=False)}
    records = {name: found for name in made if (found := _record(held.record_file(name)))}
    trials = max((spec.trials for spec in specs), default=0)
    return Standing(made, sorted(asked - {*made}), records, trials)


def exam_of(file: Path) -> Exam | None:
    """Return what a study knows of a set in its folder; None of one that is in no study.

    Raises:
        InputError: when a file of it is damaged.
    """
    folder = study_of_set(file)
    record = None if folder is None else _record(file.with_name(RECORD_FILE))
    if folder is None or record is None:
        return None
    others = (_record(path) for path in sorted(StudyFolder(folder).record_files()))
    alike = [one for one in others if one and (one.method, one.ipc) == ("random", record.ipc)]
    random = [one for one in alike if one.name != record.name]
    return Exam(record, random, _terms(folder))


def study_of_set(file: Path) -> Path | None:
    """Return the folder of the study that a set is in; None of one that is in none."""
    sets = file.resolve().parent.parent
    return sets.parent if sets.name == SETS_FOLDER and (sets.parent / SETTINGS).is_file() else None


def so_far(file: CheckpointFile) -> list[Result]:
    """Return what networks reached by now that are trained one after another.

    Args:
        file: where they are kept.

    Raises:
        InputError: when it is damaged.
    """
    held = file.load()
    return [] if held is None else collect(trials_of(held[0])[0])


def _specs(folder: Path) -> Sequence[StudySpec]:
    found = (spec for _, spec in descriptions(folder / RUN_FILE))
    return [spec for spec in found if isinstance(spec, StudySpec)]


def _record(path: Path) -> Record | None:
    if not path.is_file():
        return None
    table = read_json(path)
    with damaged(path):
        return record_of(table)


def _terms(folder: Path) -> str:
    # By what networks were trained in a study, in words, as far as that is known.
    settings = read_json(folder / SETTINGS)
    try:
        protocol = settings["protocol"]
        epochs = protocol["fit"]["epochs"]
        return f"{settings['model']}, protocol {protocol['name']}, {counted(epochs, 'epoch')}"
    except (KeyError, TypeError):
        return ""
