"""A study carried out in pieces, side by side: which can begin when, and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from datastill.distillation.methods import METHODS
from datastill.runs.executors.pieces import has_set, set_of
from datastill.runs.executors.spreading import spread
from datastill.runs.specs import StudySpec, Unit
from datastill.runs.specs.population import Candidate, Kind, asks_models
from datastill.runs.studies import judging
from datastill.runs.studies.examining import Ongoing
from datastill.runs.studies.judging import Judges
from datastill.runs.studies.material import Material, of_set, settings_of, workshop
from datastill.runs.studies.pieces import (
    EXAMS,
    JUDGES,
    SCORES,
    SETS,
    exam_asked,
    kept,
    scores_asked,
)
from datastill.store import StudyFolder


def take_sets(
    spec: StudySpec, material: Material, judges: Judges, folder: StudyFolder
) -> list[str]:
    """Put sets that were made as pieces, or brought, into a study, and return the new names.

    Those that ask original models wait for these.
    """
    held, names = folder.names(), list[str]()
    for name, data in material.brought.items():
        if name not in held:
            folder.save_set(name, data)
            names.append(name)
    new = [
        (one, f"{SETS}/{one.run}")
        for one in material.wanted
        if one.name not in held
        and has_set(spec, folder.path, f"{SETS}/{one.run}", one.name)
        and (judges.guides or not asks_models(one.kind, spec.method_settings))
    ]
    if not new:
        return names
    shop = workshop(spec, material, judges, folder.path / judging.OWN)
    asked = settings_of(spec, material)
    for one, address in new:
        made = set_of(spec, folder.path, address, one.name, of_set(asked, shop, one))
        folder.save_set(one.name, made)
        names.append(one.name)
    return names


WORK = {JUDGES: 4.0, SETS: 3.0, EXAMS: 2.0, SCORES: 1.0}
"""How early pieces begin, by their kinds: what others wait for comes first."""
AGEING = 4
"""Updates of a method that trains networks between two of them, in those of one that does not."""


def urgency(kind: str, amount: float) -> float:
    """Return how early a piece should begin: by its kind, and of one kind the longest first.

    Args:
        kind: what its address begins with.
        amount: of work, in whatever is comparable among pieces of the kind.
    """
    return WORK[kind] + amount / (1 + amount)


@dataclass
class Apart:
    """Hands the pieces of a study to an executor, each as soon as what it needs is there.

    Attributes:
        spec: of the study.
        material: of it.
        ongoing: where it lies, and how it is carried out.
        judges: as soon as they are there.
        waited_for: original models that are being trained.
    """

    spec: StudySpec
    material: Material
    ongoing: Ongoing
    judges: Judges = field(default_factory=lambda: Judges((), (), ()))
    waited_for: set[str] = field(default_factory=set[str])

    def go(self) -> None:
        """Carry out all pieces that are missing."""
        if self.ongoing.conduct.executor is None:
            return
        spec, real, folder = self.spec, self.material.real, self.ongoing.folder
        if spec.judges.path is not None:
            self.judges = judging.loaded(spec, folder.path, real)
        elif spec.guides is not None:
            self.judges = replace(self.judges, guides=judging.guides_of(spec, real))
        take_sets(spec, self.material, self.judges, folder)
        held = folder.names()
        runs = {one.run for one in self.material.wanted if one.name not in held}
        units = [unit for unit in spec.units() if unit.address.partition("/")[2] in runs]
        own = spec.judges.path is None and judging.lacks_own(spec, real.domain.name, folder.path)
        models = [one for one in spec.units() if own and one.address.startswith(f"{JUDGES}/")]
        self.waited_for = {unit.address for unit in models}
        first = [*models, *self.with_judges(), *units, *self.exams(held)]
        later = self.later(held)
        spread(first, folder.path, self.ongoing.conduct, self.follows, self.urgency, later)

    def later(self, held: Sequence[str]) -> int:
        """Return how many pieces will follow those that can begin at once."""
        lacking = [one for one in self.material.wanted if one.name not in held]
        found = (self.spec.trials + 1) * len(lacking)  # of each its networks, and its scores
        if self.waited_for:
            records = (self.ongoing.folder.load_record(name) or {} for name in held)
            found += sum(not record.get("scores") for record in records)
            if self.spec.guided_by_own:
                found += len({one.run for one in lacking if self._asks(one)})
        return found

    def urgency(self, unit: Unit) -> float:
        """Return how early a piece should begin."""
        kind, _, name = unit.address.partition("/")
        if kind != SETS:
            sizes = re.search(r"-ipc(\d+)", name)
            return urgency(kind, int(sizes[1]) if sizes else 0)
        found = [one.kind for one in self.material.wanted if one.run == name]
        ages = any(_ages(one) for one in found)
        updates = max((one.updates for one in found), default=0)
        return urgency(kind, updates * (AGEING if ages else 1))

    def follows(self, unit: Unit) -> Sequence[Unit]:
        """Take what a piece came to, and return those that can begin now."""
        kind = unit.address.partition("/")[0]
        if kind == JUDGES:
            self.waited_for.discard(unit.address)
            return () if self.waited_for else self.with_judges()
        if kind == SETS:
            new = take_sets(self.spec, self.material, self.judges, self.ongoing.folder)
            return [*self.exams(new), *self.scored(new)]
        return ()

    def with_judges(self) -> list[Unit]:
        """Return what can begin once the original models are there; nothing before."""
        if self.waited_for:
            return []
        spec, folder = self.spec, self.ongoing.folder
        if spec.judges.path is None:
            judging.train_own(spec, self.material.real.domain.name, self.ongoing)
            self.judges = judging.loaded(spec, folder.path, self.material.real)
        new, held = take_sets(spec, self.material, self.judges, folder), folder.names()
        waited = (one for one in self.material.wanted if spec.guided_by_own and self._asks(one))
        guided = dict.fromkeys(one.run for one in waited if one.name not in held)
        units = (Unit(f"{SETS}/{run}", spec) for run in guided)
        return [*units, *self.exams(new), *self.scored(held)]

    def exams(self, names: Iterable[str]) -> Iterator[Unit]:
        """Yield the networks that sets lack, those of large sets first, for they take longest."""
        folder, lacking = self.ongoing.folder, list[tuple[int, str, int]]()
        for name in names:
            held, data = folder.load_record(name) or {}, folder.load_set(name)
            asked = exam_asked(self.settings, data)
            for trial in range(len(held.get("trials", ())), self.spec.trials):
                if not self.lies_there(f"{EXAMS}/{name}/{trial}", asked):
                    lacking.append((-len(data), name, trial))
        return (Unit(f"{EXAMS}/{name}/{trial}", self.spec) for _, name, trial in sorted(lacking))

    def scored(self, names: Iterable[str]) -> list[Unit]:
        """Return the assessments of sets that have none, once there are judges."""
        if not self.judges.pool:
            return []
        folder = self.ongoing.folder
        new = [name for name in names if not (folder.load_record(name) or {}).get("scores")]
        lacking = list[str]()
        for name in new:
            asked = scores_asked(self.settings, folder.load_set(name), self.judges)
            if not self.lies_there(f"{SCORES}/{name}", asked):
                lacking.append(name)
        return [Unit(f"{SCORES}/{name}", self.spec) for name in lacking]

    def lies_there(self, address: str, asked: Mapping[str, Any]) -> bool:
        """Tell whether what a piece says of a set lies there, whoever carried it out.

        Raises:
            InputError: when that follows from something else.
        """
        return kept(self.spec, self.ongoing.folder.path, address, asked) is not None

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """What must be equal for all sets."""
        return settings_of(self.spec, self.material)

    def _asks(self, one: Candidate) -> bool:
        return asks_models(one.kind, self.spec.method_settings)


def _ages(kind: Kind) -> bool:
    return bool(kind.updates) and getattr(METHODS[kind.method](1).method, "ages", False)
