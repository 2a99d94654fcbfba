"""Scores without a test set: of one set beside random real images, of several to rank them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datastill.base.notebooks import of_run
from datastill.base.rng import Key
from datastill.base.wording import counted
from datastill.data import ImageSet, require_held
from datastill.evaluation import scores
from datastill.evaluation.assessments import Evidence, Score
from datastill.evaluation.scores import Assessed, family, needs_of_all
from datastill.evaluation.selection import climbed
from datastill.identity import described
from datastill.runs import originals
from datastill.runs.computing import device_of, route_of
from datastill.runs.describing import add_description, following, number_of, tell_damaged
from datastill.runs.finding import brought, results_at, set_file
from datastill.runs.given import require_kinds
from datastill.runs.observer import SILENT, Observer
from datastill.runs.origin import Caveats, Origin
from datastill.runs.provenance import Provenance
from datastill.runs.reading import Read, moved
from datastill.runs.specs import AssessSpec, RankSpec
from datastill.store import assessment_file, fingerprint, load, locked, stem_of, write_json
from datastill.training.coresets import CORESETS, picked


@dataclass(frozen=True, eq=False)
class Scored:
    """What assessments say of a set.

    Attributes:
        scores: by the names of the assessments.
        random: the same of every random set of real images beside it.
        caveats: what has to be known of them.
        seconds: that the scores of the set took together, with what random ones need too.
        file: where every value is written; None where nothing is.
    """

    scores: Mapping[str, Assessed]
    random: tuple[Mapping[str, Assessed], ...]
    caveats: Caveats
    seconds: float
    file: Path | None

    _repr_html_ = of_run


@dataclass(frozen=True, eq=False)
class Ranked:
    """What one assessment says of several sets.

    Attributes:
        scores: by the paths of the sets, the best first; equal ones as they were given.
        sizes: how many images they have.
        by: the assessment.
        judges: who judged, in words.
        caveats: what has to be known of the scores.
        rungs: the last rung that each reached; none where there are no rungs.
    """

    scores: Mapping[str, Score]
    sizes: Mapping[str, int]
    by: str
    judges: str
    caveats: Caveats
    rungs: Mapping[str, int] = field(default_factory=dict[str, int])

    _repr_html_ = of_run


def assess(
    spec: AssessSpec, folder: Path | str | None = None, *, observer: Observer = SILENT
) -> Scored:
    """Score a set without a test set, beside random real images of the same size.

    Args:
        spec: what the scores follow from.
        folder: where ``assessment.json`` is written, with ``assess.toml``, which repeats it: that
            of the set, or another, which gets a copy of the set. What was asked for otherwise
            before stays; then it is ``assessment-2.json``. Without it nothing is written.
        observer: watches.

    Raises:
        InputError: when the set was made from other images, the original models or real images do
            not suffice, or the folder cannot be written to.
    """
    require_kinds(AssessSpec, spec, folder, observer=observer)
    source = set_file(Path(spec.set))
    file, made = source, load(source)
    if folder is None:
        return _scored(spec, made, file, observer)[0]
    file = results_at(source, Path(folder))
    with locked(file.parent, f"{stem_of(file)}{spec.kind}."):
        scored, evidence = _scored(spec, made, file, observer)
        brought(source, file)
        return _kept(scored, made, evidence, spec, file, observer)


def _scored(
    spec: AssessSpec, made: ImageSet, file: Path, observer: Observer
) -> tuple[Scored, Evidence]:
    read, caveats = _read({str(file): made}, spec, observer)
    if spec.draws:
        require_held(read.train, made.stored_counts, "`draws=0` goes without random images")
    evidence = evidence_of(made, read, spec, spec.assessments)
    judges = originals.told(evidence.pool, evidence.early)
    observer.message(f"{file}: {counted(len(made), 'image')}, judged by {judges}")
    started = time.perf_counter()
    draws = 1 + spec.retests
    found = scores.assess(evidence, spec.assessments or None, draws=draws)
    seconds = time.perf_counter() - started
    beside = _random(evidence, spec.draws)
    random = tuple(scores.assess(other, found, draws=draws) for other in beside)
    return Scored(found, random, caveats, seconds, None), evidence


def rank(spec: RankSpec, *, observer: Observer = SILENT) -> Ranked:
    """Rank sets by an assessment, without a test set.

    Args:
        spec: what the ranking follows from.
        observer: watches.

    Raises:
        InputError: when a set was made from other images, or the original models do not suffice.
    """
    require_kinds(RankSpec, spec, observer=observer)
    sets = {path: load(set_file(Path(path))) for path in spec.sets}
    asked = {rung: scores.numbered(spec.by, rung) for rung in spec.rungs} or {0: spec.by}
    read, caveats = _read(sets, spec, observer)
    evidence = evidence_of(read.train, read, spec, [spec.by])
    about = {name: evidence.of(data.to(read.train.images.device)) for name, data in sets.items()}

    def score(name: str, rung: int) -> Score:
        if rung:
            observer.message(f"{name}: {asked[rung]}")
        (found,) = scores.assess(about[name], [asked[rung]]).values()
        return found.score

    ladder = climbed(list(sets), list(asked), score)
    return Ranked(
        ladder.scores,
        {name: len(data) for name, data in sets.items()},
        spec.by,
        originals.told(evidence.pool, evidence.early),
        caveats,
        ladder.rungs if spec.rungs else {},
    )


def _read(
    made: Mapping[str, ImageSet], spec: AssessSpec | RankSpec, observer: Observer
) -> tuple[Read, Caveats]:
    origin = Origin.of(next(iter(made.values())), spec.data, observer)
    read, caveats = origin.parts(made, observer)
    return moved(read, device_of(spec.compute)), caveats


def evidence_of(
    made: ImageSet, read: Read, spec: AssessSpec | RankSpec, names: Sequence[str]
) -> Evidence:
    """Return what a set, or several, are judged by: without original models, where none is asked.

    Args:
        made: the set, or the training images for want of one.
        read: the real images.
        spec: says which models.
        names: of the assessments; without any, the usual ones.
    """
    real, pool, early = read.train, (), ()
    if not names or "originals" in needs_of_all(names):
        pool, early = originals.load(spec.pool, real, names)
    key = Key(spec.compute.seed).at("assess")
    about = (made.to(real.images.device), real, pool, key, route_of(spec.compute), early)
    return Evidence(*about, read.held_out, spec.pool.architectures)


def _random(evidence: Evidence, draws: int) -> Iterator[Evidence]:
    pick, real = CORESETS["random"], evidence.train
    for i in range(draws):
        key = evidence.key.at("random", i)
        yield evidence.of(picked(pick, real, evidence.synthetic.stored_counts, key=key))


def _kept(
    scored: Scored,
    made: ImageSet,
    evidence: Evidence,
    spec: AssessSpec,
    file: Path,
    observer: Observer,
) -> Scored:
    # Written beside the set; what was asked for otherwise keeps its files.
    beside = replace(spec, set=str(file))
    name = f"{stem_of(file)}{spec.kind}.toml"
    described = add_description(beside, file.with_name(name), observer)
    place = following(assessment_file(file), number_of(described))
    tell_damaged(place, observer)
    write_json(place, _written(made, evidence, scored, spec))
    return replace(scored, file=place)


def _written(
    made: ImageSet, evidence: Evidence, scored: Scored, spec: AssessSpec
) -> dict[str, Any]:
    real = evidence.train
    judges = {"pool": described(evidence.pool), "early": described(evidence.early)}
    images = {
        "dataset": real.domain.name,
        "images": len(real),
        "fingerprint": fingerprint(real),
    }
    data = {"set": fingerprint(made), "real": images}
    return {
        **Provenance.here(spec, real.images.device.type, judges, data).facts(),
        "route": evidence.route.facts(),
        "caveats": list(scored.caveats),
        "seconds": round(scored.seconds, 3),
        "scores": [_row(name, scored) for name in scored.scores],
    }


def _row(name: str, scored: Scored) -> dict[str, Any]:
    one = scored.scores[name]
    return {
        "name": name,
        "family": family(name),
        "better": one.score.better,
        "value": one.score.value,
        **({"draws": list(one.draws)} if one.draws else {}),
        "random": [other[name].score.value for other in scored.random],
        "seconds": round(one.seconds, 4),
        "seconds_once": round(one.once, 4),
    }
