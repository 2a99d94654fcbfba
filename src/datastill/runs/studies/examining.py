"""A study under way: its sets are made, assessed and validated, and kept as soon as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.evaluation.scores import all_names
from datastill.evaluation.studies import (
    Bench,
    Record,
    blank,
    distinct,
    examine,
    record_of,
    table_of,
)
from datastill.identity import described
from datastill.runs.conduct.given import Conduct
from datastill.runs.conduct.keeping import is_same_run
from datastill.runs.folders.underway import Descents, Fits, Underway
from datastill.runs.specs.population import Candidate
from datastill.runs.studies.workshop import Workshop
from datastill.store import (
    Checkpoint,
    CheckpointFile,
    StudyFolder,
    checkpoint_file,
    read_json,
)

SETTINGS = "settings.json"


def _as_it_is(record: Record, _: ImageSet) -> Record:
    return record


@dataclass(frozen=True, eq=False)
class Ongoing:
    """A study that is under way.

    Attributes:
        folder: of the study.
        conduct: how often what is under way is kept, who watches, who may stop it.
    """

    folder: StudyFolder
    conduct: Conduct

    @property
    def settings(self) -> dict[str, Any]:
        """What must be equal for all its sets, as it is kept."""
        return read_json(self.folder.path / SETTINGS)

    @property
    def file(self) -> CheckpointFile:
        """Where what is under way is kept."""
        return checkpoint_file(self.folder.path, "study")

    def make(self, shop: Workshop, wanted: Sequence[Candidate]) -> None:
        """Make the sets that are missing, and write each as soon as it is ready."""
        held = set(self.folder.names())
        missing = [candidate for candidate in wanted if candidate.name not in held]
        asked = {**self.settings, "pool": described(shop.pool)}
        with (
            self.conduct.observer.progress("making sets", len(missing)) as steps,
            self.conduct.stop.heeded("after this update, which is kept"),
        ):
            watch = Descents(self.underway(asked))
            for i, (candidate, data) in enumerate(replace(shop, watch=watch).make(missing)):
                self.folder.save_set(candidate.name, data)
                steps.at(i + 1, candidate.name)
                if not candidate.kind.updates:  # for the others the watch sees to it
                    self.conduct.stop.raise_if_requested()

    def examine(
        self,
        bench: Bench,
        names: Sequence[str],
        trials: int,
        draws: int,
        apart: Callable[[Record, ImageSet], Record] = _as_it_is,
    ) -> list[Record]:
        """Assess and validate what is missing, and write every record as soon as it grows.

        Args:
            bench: what every set is held to.
            names: of assessments; without any, all.
            trials: networks for each set.
            draws: over which every score is averaged.
            apart: adds to a record what was found of the set elsewhere.
        """
        device = bench.test.images.device
        held = {name: self.folder.load_set(name).to(device) for name in self.folder.names()}
        sets, copies = distinct(held)
        for name, first in copies.items():
            told = f"{name} holds the same images as {first}, and does not count"
            self.conduct.observer.message(told)
        records = {name: self.known(name, data, apart) for name, data in sets.items()}
        missing = sum(max(trials - len(record.trials), 0) for record in records.values())
        with (
            self.conduct.observer.progress("training", missing) as steps,
            self.conduct.stop.heeded("after this epoch, which is kept"),
        ):
            bench = replace(bench, watch=Fits(self.underway(self.settings)))
            done = 0
            names = names or all_names(bench.evidence)
            given = (sets, bench, records)
            for record in examine(*given, trials=trials, names=names, draws=draws):
                done += len(record.trials) - len(records[record.name].trials)
                records[record.name] = record
                self.folder.save_record(record.name, table_of(record))
                steps.at(done, record.name)
                self.conduct.stop.raise_if_requested()
        return [replace(record, trials=record.trials[:trials]) for record in records.values()]

    def known(
        self, name: str, data: ImageSet, apart: Callable[[Record, ImageSet], Record]
    ) -> Record:
        """Return what is known of a set, what was found elsewhere too, which is written down."""
        before = known(self.folder, name, data)
        found = apart(before, data)
        if found is not before:
            self.folder.save_record(name, table_of(found))
        return found

    def underway(self, asked: Mapping[str, Any]) -> Underway:
        """Return what keeps a set or a network under way, and what was kept of one.

        What is damaged is told; that, and what does not fit the study any more, begins anew.
        """
        held = None
        try:
            held, complaint = self.file.load("what was under way begins anew") or (None, "")
        except InputError as error:
            complaint = str(error)
        if complaint:
            self.conduct.observer.message(complaint)
        if held is not None and not is_same_run(held.asked, asked):
            held = None
        keeper = self.conduct.keeping.keeper(self.file)
        return Underway(held, keeper, self.conduct.stop, partial(Checkpoint, asked))


def known(folder: StudyFolder, name: str, data: ImageSet) -> Record:
    """Return what a study knows of a set.

    Raises:
        InputError: when its file is damaged.
    """
    table = folder.load_record(name)
    if table is None:
        return blank(name, data)
    try:
        return record_of(table)
    except (KeyError, TypeError, ValueError) as error:
        file = folder.record_file(name)
        raise InputError(f"{file} is damaged: {error!r}; delete it to start anew") from None


def forget_scores(folder: StudyFolder) -> None:
    """Drop every score."""
    for name in folder.names():
        record = known(folder, name, folder.load_set(name))
        folder.save_record(name, table_of(replace(record, scores={})))
