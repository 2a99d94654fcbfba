"""Pieces of a study: its own models, its sets, and what networks and assessments say of a set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.evaluation.scores import all_names, assess
from datastill.evaluation.studies import Record, blank, record_of, table_of
from datastill.evaluation.studies.examination import redrawn, validated
from datastill.identity import described
from datastill.runs.conduct.given import Conduct
from datastill.runs.conduct.keeping import require_same_run
from datastill.runs.executors.pieces import keep_set, place_of, require_address
from datastill.runs.folders.underway import Unmade
from datastill.runs.specs import StudySpec
from datastill.runs.specs.population import asks_models
from datastill.runs.studies import judging
from datastill.runs.studies.judging import Judges
from datastill.runs.studies.material import (
    Material,
    bench_of,
    of_set,
    read,
    settings_of,
    workshop,
)
from datastill.runs.validation.trials import Unkept
from datastill.store import StudyFolder, fingerprint, locked, read_json, through_json, write_json

RECORD = "record.json"
"""What one network, or the assessments, said of a set, in the place of a piece."""
JUDGES, SETS, EXAMS, SCORES = "judges", "sets", "exams", "scores"
"""What addresses begin with: of models, of runs that make sets, of networks, of assessments."""
WHAT_FOLLOWS = (EXAMS, SCORES)
"""Pieces of sets that lie in the folder of the study already."""


def study_piece(spec: StudySpec, address: str, folder: Path | str, conduct: Conduct) -> None:
    """Train one of the study's own models, make the sets of one run, or examine a set.

    Args:
        spec: of the study.
        address: of the model, of the run, or of a set: ``exams/NAME/TRIAL``, ``scores/NAME``.
        folder: of the study.
        conduct: how it is carried out.
    """
    kind, _, name = address.partition("/")
    if kind == JUDGES:
        require_address(spec, address)
        judging.train_own_piece(spec, name, Path(folder), conduct)
        return
    if kind not in (SETS, *WHAT_FOLLOWS):
        require_address(spec, address)
    material, place = read(spec, conduct.observer), place_of(spec, folder, address)
    with locked(place):
        if kind in WHAT_FOLLOWS:
            _examined(spec, material, address, Path(folder), conduct)
        else:
            _made(spec, material, address, Path(folder), conduct)


def _made(
    spec: StudySpec, material: Material, address: str, folder: Path, conduct: Conduct
) -> None:
    mine = [one for one in material.wanted if f"{SETS}/{one.run}" == address]
    if not mine:
        require_address(spec, address)
    asks = any(asks_models(one.kind, spec.method_settings) for one in mine)
    judges, waits = Judges((), (), ()), asks and spec.guided_by_own
    if waits or spec.judges.path is not None:
        judges = judging.loaded(spec, folder, material.real)
    elif spec.guides is not None:
        judges = replace(judges, guides=judging.guides_of(spec, material.real))
    own, asked = folder / judging.OWN if waits else None, settings_of(spec, material)
    shop, place = workshop(spec, material, judges, own), place_of(spec, folder, address)
    with conduct.observer.progress("making sets", len(mine)) as steps:
        watch = Unmade(conduct.stop)
        for i, (one, data) in enumerate(replace(shop, watch=watch).make(mine)):
            keep_set(one.name, data, of_set(asked, shop, one), place)
            steps.at(i + 1, one.name)


def _examined(
    spec: StudySpec, material: Material, address: str, folder: Path, conduct: Conduct
) -> None:
    kind, name, *number = address.split("/")
    data = StudyFolder(folder).load_set(name).to(material.test.images.device)
    record, settings = blank(name, data), settings_of(spec, material)
    if kind == EXAMS:
        if len(number) != 1 or not number[0].isdecimal():
            raise InputError(f"{address!r} is no network of a set; say {EXAMS}/{name}/0")
        watch = Unkept(conduct.stop, lambda _: None)
        bench = replace(bench_of(spec, material, Judges((), (), ())), watch=watch)
        with conduct.observer.progress("training", bench.protocol.fit.epochs):
            record = record.with_trial(validated(name, data, bench, int(number[0])))
        asked = exam_asked(settings, data)
    else:
        judges = judging.loaded(spec, folder, material.real)
        bench = bench_of(spec, material, judges)
        names = spec.assessments or all_names(bench.evidence)
        record = record.with_scores(assess(bench.evidence.of(data), names))
        for grown in redrawn(record, data, bench, list(record.scores), spec.draws):
            record = grown
            conduct.stop.raise_if_requested()
        asked = scores_asked(settings, data, judges)
    kept = {"asked": through_json(asked), "record": table_of(record)}
    write_json(place_of(spec, folder, address) / RECORD, kept)


def exam_asked(settings: Mapping[str, Any], data: ImageSet) -> dict[str, Any]:
    """Return all that the accuracy of a network follows from, but its number."""
    return {**settings, "set": fingerprint(data)}


def scores_asked(settings: Mapping[str, Any], data: ImageSet, judges: Judges) -> dict[str, Any]:
    """Return all that scores follow from."""
    by = {"pool": described(judges.pool), "early": described(judges.early)}
    return {**exam_asked(settings, data), **by}


def taken(
    spec: StudySpec,
    folder: Path,
    record: Record,
    data: ImageSet,
    settings: Mapping[str, Any],
    judges: Judges,
) -> Record:
    """Return a record with what pieces say of its set.

    Args:
        spec: of the study.
        folder: of it.
        record: as far as it is known.
        data: the set.
        settings: see ``settings_of``.
        judges: who judge.

    Raises:
        InputError: when a piece follows from something else, or is damaged.
    """
    found = kept(spec, folder, f"{SCORES}/{record.name}", scores_asked(settings, data, judges))
    if found is not None:
        record = record.with_scores({**found.scores, **record.scores})
    asked = exam_asked(settings, data)
    while True:
        found = kept(spec, folder, f"{EXAMS}/{record.name}/{len(record.trials)}", asked)
        if found is None:
            return record
        record = record.with_trial(found.trials[0])


def kept(spec: StudySpec, folder: Path, address: str, asked: Mapping[str, Any]) -> Record | None:
    """Return what a piece says of a set; None where it was not carried out.

    Raises:
        InputError: see ``taken``.
    """
    place = place_of(spec, folder, address)
    if not (place / RECORD).exists():
        return None
    held = read_json(place / RECORD)
    try:
        require_same_run(held["asked"], through_json(asked), place)
        return record_of(held["record"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{place / RECORD} is damaged: {error!r}; delete it") from None
