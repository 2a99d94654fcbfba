"""A study: which assessment to trust, found out on many sets that networks are trained on."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datastill.base.errors import InputError, truth
from datastill.base.rng import Key
from datastill.base.wording import counted
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.evaluation.evidence import NOT_KEPT
from datastill.evaluation.scores import epoch_of, family, needs_of_all
from datastill.evaluation.studies import Bench
from datastill.evaluation.studies.scopes import LEAST
from datastill.identity import of_each, require_made_from, without_seen
from datastill.runs import differences, judging
from datastill.runs.computing import device_of, route_of
from datastill.runs.describing import add_description
from datastill.runs.examining import SETTINGS, Ongoing, forget_scores
from datastill.runs.finding import set_file
from datastill.runs.findings import Studied, written
from datastill.runs.given import Conduct, require_kinds
from datastill.runs.judging import Judges
from datastill.runs.keeping import EXECUTION, USUAL, Keeping
from datastill.runs.needed import of_study
from datastill.runs.observer import SILENT, Observer
from datastill.runs.origin import said
from datastill.runs.originals import told
from datastill.runs.pieces import forget, keep_set, place_of, require_address, set_of
from datastill.runs.population import Candidate, wanted
from datastill.runs.provenance import Provenance
from datastill.runs.reading import buildable, describe, read_all, tell_mirror, with_tests
from datastill.runs.recipes import RUN_FILE
from datastill.runs.specs import StudySpec
from datastill.runs.stop import StopRequest
from datastill.runs.underway import Unmade
from datastill.runs.workshop import Workshop
from datastill.store import StudyFolder, fingerprint, load, locked, provisional, read_json
from datastill.training.protocol import Protocol, preset

BEGUN_WITH = (SETTINGS, "judges*.json", "run*.toml")
"""What is written before the first step, by patterns."""
WRITTEN_LATER = ("device", "engine")
"""What an earlier version did not write down."""


@dataclass(frozen=True, eq=False)
class _Material:
    # What a study is about: images, and sets that are there already, by names.
    real: ImageSet
    held_out: ImageSet | None
    test: ImageSet
    brought: Mapping[str, ImageSet]
    wanted: list[Candidate]
    route: Route

    @property
    def names(self) -> set[str]:
        return {*self.brought, *(candidate.name for candidate in self.wanted)}


def study(
    spec: StudySpec,
    folder: Path | str | None = None,
    *,
    keeping: Keeping = USUAL,
    observer: Observer = SILENT,
    stop: StopRequest | None = None,
    reassess: bool = False,
) -> Studied:
    """Make sets that differ, assess and validate each, and tell how the two agree.

    In a folder where it was begun before, a study goes on where it stopped, adds what is new, and
    computes nothing twice.

    Args:
        spec: what it follows from.
        folder: of the study. Without it nothing is left but what is returned.
        reassess: score every set anew, for other original models; accuracies stay.
        keeping: how often a set that is distilled, or a network that is trained, is kept.
        observer: watches.
        stop: asks to stop, which is heeded after every update and epoch.

    Raises:
        InputError: when it makes no sense; when the study in the folder is another; when it is
            judged by others than before, and is not to be scored anew.
        Stopped: as asked.
    """
    require_kinds(StudySpec, spec, folder, keeping=keeping, observer=observer, stop=stop)
    truth(reassess=reassess)
    if keeping.overwrite or keeping.sinks:
        raise InputError(
            "a study goes on with what it has and keeps no journal: of `keeping` it takes "
            "`checkpoint_minutes` alone, and another `folder` to start over"
        )
    material = _read(spec, observer)
    with _place(folder) as path:
        ongoing = Ongoing(StudyFolder(path), Conduct.of(keeping, observer, stop))
        studied = _studied(spec, material, ongoing, reassess)
    return studied if folder is not None else replace(studied, folder=None, plots=())


def _studied(spec: StudySpec, material: _Material, ongoing: Ongoing, reassess: bool) -> Studied:
    folder, observer = ongoing.folder, ongoing.conduct.observer
    names = {*folder.names(), *material.names}
    if len(names) < LEAST:
        raise InputError(f"a study needs at least {LEAST} sets, found {len(names)}")
    describe(material.real, observer)
    tell_mirror(material.real, observer)
    before = _came(folder.path)
    with (
        locked(folder.path),
        provisional(folder.path, lambda: _came(folder.path) != before, BEGUN_WITH),
    ):
        judges = _judges(spec, material, ongoing, reassess)
        add_description(spec, folder.path / RUN_FILE, observer)
        by = told(judges.pool, judges.early)
        by += f", guided by {told(judges.guides, ())}" if spec.guides else ""
        observer.message(f"{folder.path}: {counted(len(names), 'set')}, judged by {by}")
        return _examined(spec, material, judges, ongoing)


def _came(path: Path) -> dict[Path, int]:
    # What came of a study so far: sets, what is known of them, models, and what is under way.
    found = [*path.glob("sets/*/*"), *path.rglob("model_*"), *path.glob("*.checkpoint")]
    return {one: one.stat().st_mtime_ns for one in found}


def _examined(spec: StudySpec, material: _Material, judges: Judges, ongoing: Ongoing) -> Studied:
    folder, bench = ongoing.folder, _bench(spec, material, judges)
    held = folder.names()
    for name, data in material.brought.items():
        if name not in held:
            folder.save_set(name, data)
    shop = _workshop(spec, material, judges, folder.path / judging.OWN)
    asked = _settings(spec, material)
    for one in material.wanted:
        if one.name not in held:
            made = set_of(spec, folder.path, f"sets/{one.run}", one.name, _of_set(asked, shop, one))
            if made is not None:
                folder.save_set(one.name, made)
    ongoing.make(shop, material.wanted)
    records = ongoing.examine(bench, spec.assessments, spec.trials, spec.draws)
    studied = written(folder, bench, records, spec.trials, ongoing.conduct.observer)
    ongoing.file.remove()
    forget(spec, folder.path)
    return studied


def study_piece(spec: StudySpec, address: str, folder: Path | str, conduct: Conduct) -> None:
    """Train one of the study's own models, or make the sets that come of one run.

    Args:
        spec: of the study.
        address: of the model, or of the run.
        folder: of the study.
        conduct: how it is carried out.
    """
    require_address(spec, address)
    kind, _, name = address.partition("/")
    if kind == "judges":
        judging.train_own_piece(spec, name, Path(folder), conduct)
        return
    material = _read(spec, conduct.observer)
    judges, real = Judges((), (), ()), material.real
    if spec.judges.path is not None:
        judges = judging.loaded(spec, Path(folder), real)
    elif spec.guides is not None:
        judges = replace(judges, guides=judging.guides_of(spec, real))
    shop, place = _workshop(spec, material, judges, None), place_of(spec, folder, address)
    mine = [one for one in material.wanted if one.run == name]
    asked = _settings(spec, material)
    with locked(place), conduct.observer.progress("making sets", len(mine)) as steps:
        watch = Unmade(conduct.stop)
        for i, (one, data) in enumerate(replace(shop, watch=watch).make(mine)):
            keep_set(one.name, data, _of_set(asked, shop, one), place)
            steps.at(i + 1, one.name)


def _of_set(asked: Mapping[str, Any], shop: Workshop, one: Candidate) -> dict[str, Any]:
    # All that a set follows from: of original models only if they have a hand in it.
    return {**asked, **shop.follows(one)}


@contextmanager
def _place(folder: Path | str | None) -> Generator[Path]:
    if folder is not None:
        yield Path(folder)
        return
    with TemporaryDirectory(prefix="datastill-study-") as made:
        yield Path(made)


def _read(spec: StudySpec, observer: Observer) -> _Material:
    for name in spec.assessments:
        family(name)  # an unknown one is told now
        epoch_of(name)
    to_make = wanted(spec)
    device = device_of(spec.compute)
    read = read_all(spec.data, device, observer, buildable([spec.model]))
    real, test = read.train, with_tests(read.test, spec.data, observer)
    buildable([spec.model])(real)  # images too small for it are found out now
    if read.held_out is None and "held_out" in needs_of_all(spec.assessments):
        raise InputError(NOT_KEPT)  # before models are trained and sets are made
    route = route_of(spec.compute, spec.model, real.domain)
    material = _Material(real, read.held_out, test, {}, to_make, route)
    _workshop(spec, material, Judges((), (), ()), None).check(to_make)
    return _with_brought(spec, material, observer)


def _with_brought(spec: StudySpec, material: _Material, observer: Observer) -> _Material:
    # Sets that are there already are named by what they hold, and tested on what none has seen.
    real = material.real
    sets = {path: load(set_file(Path(path))) for path in spec.sets}
    brought: dict[str, ImageSet] = {}
    test, seen = without_seen(sets, material.test, real)
    made = of_each(sets, lambda data: require_made_from(data, real))
    for data, others in zip(sets.values(), made, strict=True):
        caveats = said((*seen, *others), observer)
        held = [*(data.facts.get("caveats") or ()), *caveats]
        data = replace(data.under(real.domain), facts={**data.facts, "caveats": held})
        method = re.sub(r"[^\w+-]", "_", str(data.facts.get("method", "unknown")))
        brought[f"{method}-ipc{max(data.stored_counts)}-{fingerprint(data)}"] = data
    return replace(material, test=test, brought=brought)


def _workshop(spec: StudySpec, material: _Material, judges: Judges, own: Path | None) -> Workshop:
    # ``own`` is where the study's own models are, once they are.
    real, key = material.real, Key(spec.compute.seed).at("study")
    given = (real, judges.guides, spec.model, key, spec.batch, spec.method_settings, material.route)
    return Workshop(*given, needed=of_study(spec, real, own))


def _judges(spec: StudySpec, material: _Material, ongoing: Ongoing, reassess: bool) -> Judges:
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


def _bench(spec: StudySpec, material: _Material, judges: Judges) -> Bench:
    return Bench(
        material.real,
        material.test,
        judges.pool,
        spec.model,
        _protocol(spec, material.real),
        Key(spec.compute.seed),
        judges.early,
        route=material.route,
        assessing=route_of(spec.compute),
        held_out=material.held_out,
    )


def _protocol(spec: StudySpec, real: ImageSet) -> Protocol:
    name = spec.protocol or ("dsa" if spec.augmented else "dc")
    return preset(name, epochs=spec.epochs, dataset=real.domain.name)


def _keep_settings(spec: StudySpec, folder: StudyFolder, material: _Material) -> None:
    # Written down, or made sure that it is what it was.
    wanted, file = _settings(spec, material), folder.path / SETTINGS
    if file.exists():
        held = read_json(file)
        wanted = {k: v for k, v in wanted.items() if k in held or k not in WRITTEN_LATER}
    folder.keep(SETTINGS, wanted, "take another `folder`", told=differences.told)


def _settings(spec: StudySpec, material: _Material) -> dict[str, Any]:
    # What must be equal for all sets of a study.
    real = material.real
    resolved = {
        "model": spec.model,
        "protocol": asdict(_protocol(spec, real)),
        "batch_real": spec.batch,
        "inner_loop": spec.inner_loop,
        **({} if not spec.settings else {"settings": dict(spec.settings)}),
        **({} if spec.data.mirror is None else {"mirror": real.domain.mirror}),
    }
    data = {"real": fingerprint(real), "test": fingerprint(material.test)}
    asked = Provenance.here(spec, real.images.device.type, resolved, data).asked
    return {name: value for name, value in asked.items() if name not in (EXECUTION, "versions")}
