"""What a page says of each thing that runs made, read from its files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError, damaged
from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.evaluation.studies import study_of
from datastill.report.commands import typed
from datastill.report.page import comparison, demo, judged, pool, sets, study
from datastill.report.page.held import Held
from datastill.report.page.parts import Exhibit, Picture
from datastill.report.page.pictures import bytes_of
from datastill.runs.folders.describing import description_in, repeated_by
from datastill.runs.folders.gathering import (
    COMPARED,
    COMPARISON,
    DEMO,
    DEMO_FILE,
    POOL,
    SET,
    STUDIED,
    STUDY,
    Lying,
)
from datastill.runs.showing.beholding import Beholder
from datastill.runs.specs import CompareSpec, ValidateSpec
from datastill.runs.specs.recipes import RUN_FILE
from datastill.runs.studies.standing import exam_of, of_study, so_far, study_of_set
from datastill.store import (
    LOG_FILE,
    SET_FILE,
    Frames,
    StudyFolder,
    assessment_file,
    checkpoint_file,
    load,
    load_frames,
    load_member,
    log_file,
    members_in,
    place_of,
    read_json,
    read_table,
    stem_of,
)
from datastill.store.succession import MANIFEST, SETTINGS


@dataclass(frozen=True, eq=False)
class Exhibiting:
    """How things are shown.

    Attributes:
        beholder: finds out what files do not hold; None where only they are to be read.
        most: images of each set.
    """

    beholder: Beholder | None
    most: int

    def of(self, one: Lying, name: str) -> tuple[Exhibit, Held | None]:
        """Return what a page says of a thing; of a set also what is known of it.

        Args:
            one: the thing.
            name: which nothing else on the page has.

        Raises:
            InputError: when a file of it is damaged.
        """
        if one.kind == SET:
            held = self.held(one.path)
        elif one.kind == COMPARISON:
            return self._comparison(one.path, name), None
        elif one.kind == DEMO:
            return demo.exhibit(read_table(one.path / DEMO_FILE), one.path, name), None
        elif one.kind == STUDY:
            return self._study(one.path, name), None
        elif one.kind == POOL or is_training(one.path):
            return self._pool(one.path, name), None
        else:
            held = under_way(one.path)
        return sets.exhibit(held, name, most=self.most), held

    def held(self, file: Path) -> Held:
        """Return what is known of a set."""
        data, missing = load(file), dict[str, str]()
        frames = _shown(load_frames(file.parent)) if file.name == SET_FILE else []
        recipe = _recipe(file.parent) if file.name == SET_FILE else None
        if recipe is not None and repeated_by(file, data.facts) != recipe[1]:
            missing["recipe"] = f"{recipe[1]} was changed since the set was made."
            recipe = None
        shown = file.parent if file.name == SET_FILE else file
        events = [*_events(log_file(file))]
        assessments = [*_assessments(file)]
        study = study_of_set(file)
        if recipe is None and study is not None and (study / RUN_FILE).is_file():
            again = typed("run", _near(study / RUN_FILE))
            missing["recipe"] = f"It is made with the other sets of its study: {again}"
        trials = so_far(checkpoint_file(file.parent, stem_of(file) + ValidateSpec.kind))
        held = Held(
            *(str(shown), data, events, frames, assessments, recipe),
            missing=missing,
            exam=exam_of(file),
            so_far=trials,
        )
        return held if self.beholder is None else self.beholder.looked_at(held, file, self.most)

    def _comparison(self, folder: Path, name: str) -> Exhibit:
        kept = checkpoint_file(folder, CompareSpec.kind)
        if kept.exists:
            return comparison.under_way(so_far(kept), str(folder), name, _recipe(folder))
        table = read_table(folder / COMPARED)
        return comparison.exhibit(table, str(folder), name, _recipe(folder))

    def _study(self, folder: Path, name: str) -> Exhibit:
        standing, told = of_study(folder), (str(folder), name)
        if not (folder / STUDIED).is_file():
            pictures = dict(_pictures(folder, standing.made[: self.most]))
            recipe = _recipe(folder)
            return study.under_way(standing, *told, pictures=pictures, recipe=recipe)
        table = read_table(folder / STUDIED)
        with damaged(folder / STUDIED):
            found = study_of(table, Key(_seed(folder)))
            facts = [str(fact) for fact in table.get("facts", ())]
        pictures = dict(_pictures(folder, [record.name for record in found.records]))
        return study.exhibit(
            *(found, facts, *told),
            pictures=pictures,
            recipe=_recipe(folder),
            standing=standing,
        )

    def _pool(self, folder: Path, name: str) -> Exhibit:
        rows = _list(folder / MANIFEST) if (folder / MANIFEST).is_file() else []
        if not rows and any(members_in(folder)):
            found = [load_member(path) for _, _, path in members_in(folder)]
            rows = [{"architecture": one.architecture, **one.facts} for one in found]
        events = [*_events(place_of(folder) / LOG_FILE)]
        return pool.exhibit(rows, events, str(folder), name, _recipe(folder))


def is_training(folder: Path) -> bool:
    """Tell whether original models are being trained in a folder, or were until it was cut off."""
    return any(event.get("event") == "epoch" for event in _events(place_of(folder) / LOG_FILE))


def under_way(folder: Path, now: ImageSet | None = None, told: str = "") -> Held:
    """Return what is known of a set that is being made, or whose run was cut off.

    Args:
        folder: of the run.
        now: the set as it is now; by default as it was when it was last pictured.
        told: how far the run is, in words.

    Raises:
        InputError: when nothing is known of its images, or a file is damaged.
    """
    place = place_of(folder)
    settings = read_table(place / SETTINGS) if (place / SETTINGS).is_file() else {}
    found = load_frames(place)
    if now is None and found is None:
        raise InputError(f"the run in {folder} has no image to show yet")
    if now is None:
        assert found is not None
        now = found.last()
        steps = (settings.get("descent") or {}).get("updates", "an unknown number of")
        told = told or f"not finished: after {max(found.pixels)} of {steps} updates"
    held = {name: value for name, value in settings.items() if name != "validated"}
    data = replace(now, facts=held)
    frames = _shown(found)
    missing = {"nearest": "the run is not finished", "taken": "the run is not finished"}
    events = [*_events(place / LOG_FILE)]
    return Held(
        *(str(folder), data, events, frames, (), _recipe(place)), missing=missing, under_way=told
    )


def _shown(found: Frames | None) -> list[tuple[int, Any]]:
    # Pictures of a set on its way, as far as there are any.
    if found is None:
        return []
    frames = found.pixels.items()
    return [(step, bytes_of(pixels.float() / 255, found.domain)) for step, pixels in frames]


def _events(file: Path) -> Iterator[Mapping[str, Any]]:
    # A line that is being written is none yet.
    if not file.is_file():
        return
    with damaged(file):
        text = file.read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            yield event


def _assessments(file: Path) -> Iterator[Mapping[str, Any]]:
    first = assessment_file(file)
    others = file.parent.glob(f"{stem_of(file)}assessment-[0-9]*.json")
    for path in (first, *sorted(others)):
        if path.is_file():
            table = read_table(path)
            with damaged(path):
                for row in table["scores"]:
                    judged.strip(row)
            yield table


def _recipe(folder: Path) -> tuple[str, str] | None:
    path = folder / RUN_FILE
    if description_in(path) is None:
        return None
    return path.read_text(encoding="utf-8"), str(path)


def _pictures(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, Picture]]:
    held = StudyFolder(folder)
    there = set(held.names())
    for name in names:
        if name in there:
            yield name, sets.thumbnail(held.load_set(name), name)


def _near(path: Path) -> Path:
    # As somebody types it here.
    here = Path.cwd().resolve()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _seed(folder: Path) -> int:
    settings = folder / SETTINGS
    return int(read_table(settings).get("seed", 0)) if settings.is_file() else 0


def _list(path: Path) -> list[Mapping[str, Any]]:
    found = read_json(path)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise InputError(f"{path} is damaged: it holds no list of models")
    return found
