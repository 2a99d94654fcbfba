"""Whether a run can be carried out here: all that it needs is built, and nothing is computed."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path

from datastill.augment import dsa
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.base.wording import counted, duration
from datastill.data import Domain, ImageSet
from datastill.distillation.descent import Descent, starting_counts
from datastill.distillation.methods import METHODS
from datastill.evaluation.scores import epoch_of, family, require_kept, spelling
from datastill.networks import build, find
from datastill.runs.assessment.scored import evidence_of
from datastill.runs.conduct.given import require_kinds
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.folders.finding import set_file
from datastill.runs.foresight.estimating import Estimate, estimate, trial_on_the_fly
from datastill.runs.inputs.computing import device_of, route_of
from datastill.runs.inputs.guiding import guided, guides_of, needed_by, require_asked, selector_of
from datastill.runs.inputs.needed import of_study
from datastill.runs.inputs.origin import Origin
from datastill.runs.inputs.originals import Shelf, load, told, told_of_labels
from datastill.runs.inputs.picking import features_by
from datastill.runs.inputs.reading import buildable, read_all, read_both, read_tested
from datastill.runs.making.preparing import settled
from datastill.runs.specs import (
    AssessSpec,
    CompareSpec,
    ComputeSpec,
    DataSpec,
    DistillSpec,
    RankSpec,
    RelabelSpec,
    Spec,
    StudySpec,
    TrainSpec,
    ValidateSpec,
)
from datastill.runs.specs.population import wanted
from datastill.runs.specs.quota import in_words, parse
from datastill.runs.specs.settings import adjusted
from datastill.runs.studies.judging import loaded
from datastill.runs.studies.workshop import Workshop
from datastill.runs.validation.material import coresets_of
from datastill.runs.validation.plan import labeller_of
from datastill.store import load as load_set
from datastill.training.coresets import CORESETS
from datastill.training.labelling import EARLY
from datastill.training.protocol import preset, with_augmentation


@dataclass(frozen=True)
class Checked:
    """What a run needs, and all of it is there.

    Attributes:
        found: what was built, a line for each.
        estimate: what it will cost; None where that cannot be told.
    """

    found: tuple[str, ...]
    estimate: Estimate | None = None


def check(spec: Spec, observer: Observer = SILENT) -> Checked:
    """Build all that a run needs: data, networks, original models, sets; compute nothing.

    What a distillation will cost is measured, for a few seconds. What becomes of files in the
    folder of the run is not looked at.

    Args:
        spec: the run.
        observer: watches how data is read.

    Raises:
        InputError: for the first thing that is missing or does not fit.
    """
    require_kinds(Spec, spec, observer=observer)
    found = tuple(_built(spec, observer))
    if not isinstance(spec, DistillSpec):
        return Checked(found)
    try:
        return Checked(found, estimate(spec, observer=observer))
    except InputError as error:  # a method of a person's own, say: all else was looked at above
        return Checked((*found, f"what it will cost is not known: {error}"))


@singledispatch
def _built(spec: Spec, observer: Observer) -> Iterator[str]:
    del observer
    raise InputError(f"nothing is known of runs of kind {spec.kind!r}")


@_built.register
def _(spec: TrainSpec, observer: Observer) -> Iterator[str]:
    names = [find(name)[0] for name in spec.models]
    real, test = read_both(spec.data, "cpu", observer, buildable(names))
    yield _images(real, test)
    yield from _networks(names, real.domain)
    yield _device(spec.compute)


@_built.register
def _(spec: DistillSpec, observer: Observer) -> Iterator[str]:
    method = METHODS.spelling(spec.method)
    require_asked(spec, adjusted(METHODS[method](1), method, spec.settings))
    read = read_all(spec.data, "cpu", observer)
    real = read.train
    yield _images(real, read.test)
    yield from _networks([spec.model], real.domain)
    ipc = parse(spec.ipc).counts(real)
    published, descent = settled(spec, ipc)
    counts = starting_counts(real, descent)
    dsa(spec.augmentation or "none")
    yield f"{method}: {in_words(counts)}"
    known = needed_by(spec, real, published.needs)
    if ways := known.trajectories:
        yield f"{counted(len(ways), 'original model')} of {spec.model} to follow"
    if guides := guides_of(guided(spec, published), real):
        yield f"{told(guides, ())} guide"
    if (selector := selector_of(spec, real, read.held_out)) is not None:
        judges = selector.evidence
        yield f"{selector.name} chooses, judged by {told(judges.pool, judges.early)}"
    coresets = [descent.init] if descent.init in CORESETS else []
    yield from _known(coresets, spec.coreset_features, spec.model, real, spec.pool.path)
    if known.originals:
        yield f"images are compared under {told(known.originals, ())}"
    yield _device(spec.compute)


@_built.register
def _(spec: ValidateSpec, observer: Observer) -> Iterator[str]:
    if spec.protocol is not None:
        protocol = preset(spec.protocol, epochs=spec.epochs)
        with_augmentation(protocol, spec.augmentation or protocol.augmentation)
    against = [CORESETS.spelling(name) for name in spec.against]
    sets = _sets([spec.set])
    yield from _told(sets)
    real, test = yield from _origin(sets, spec.data, observer, train=bool(against))
    yield from _networks(spec.models, test.domain)
    made = sets[spec.set].to(device_of(spec.compute))
    if (labeller := labeller_of(spec, made, real, test)) is not None:
        yield told_of_labels(labeller)
        for model, cost in trial_on_the_fly(spec, made, test, labeller).items():
            share = cost.terms.get("labels", 0.0) / cost.seconds
            yield f"a {model} takes about {duration(cost.seconds)}, {share:.0%} for its labels"
    if real is not None:
        usual = spec.models[0]
        yield from _known(against, spec.coreset_features, usual, real, spec.pool_path)
    yield _device(spec.compute)


@_built.register
def _(spec: CompareSpec, observer: Observer) -> Iterator[str]:
    preset(spec.protocol, epochs=spec.epochs)
    coresets = coresets_of(spec)
    sets = _sets(spec.sets)
    yield from _told(sets)
    if sets:
        real, test = yield from _origin(sets, spec.data, observer, train=True)
        assert real is not None
    else:
        real, test = yield from _tested(spec.data, observer)
    if spec.ipc is not None:
        ipc = parse(spec.ipc).counts(real)
        yield f"{in_words(starting_counts(real, Descent(ipc=ipc, init='random')))} are picked"
    yield from _networks(spec.models, test.domain)
    if spec.pool is not None:
        what = "random images" if spec.on_the_fly is None else "on the fly"
        yield f"{told(*load(spec.pool, real))} label {what}"
        if EARLY in spec.against:
            shelf = Shelf(spec.pool.path, real)
            known = shelf.by_epoch(spec.pool.architectures, spec.pool.num)
            yield f"{EARLY} are chosen among {counted(len(known), 'epoch')}"
    usual = ((*spec.pool.architectures,) if spec.pool else ()) or spec.models
    yield from _known(coresets, spec.coreset_features, usual[0], real, spec.pool_path)
    yield _device(spec.compute)


@_built.register
def _(spec: AssessSpec, observer: Observer) -> Iterator[str]:
    yield from _assessed([spec.set], spec, spec.assessments, observer)


@_built.register
def _(spec: RankSpec, observer: Observer) -> Iterator[str]:
    yield from _assessed(spec.sets, spec, [spec.by], observer)


@_built.register
def _(spec: RelabelSpec, observer: Observer) -> Iterator[str]:
    del observer
    sets = _sets([spec.set])
    yield from _told(sets)
    (made,) = sets.values()
    known = made.facts.get("data") or {}
    pool = Shelf(spec.pool.path, made, known).asked(spec.pool)
    yield f"{told(pool, ())} say what the labels are"


@_built.register
def _(spec: StudySpec, observer: Observer) -> Iterator[str]:
    for name in spec.assessments:
        family(name)
        epoch_of(name)
    to_make = wanted(spec)
    sets = _sets(spec.sets)
    yield from _told(sets)
    real, _ = yield from _tested(spec.data, observer)
    yield from _networks([spec.model], real.domain)
    if to_make:
        found, given = of_study(spec, real, None), (spec.batch, spec.method_settings)
        Workshop(real, (), spec.model, Key(0), *given, needed=found).check(to_make)
        yield f"{counted(len(to_make), 'set')} to be made"
    if spec.judges.path is None:
        yield from _networks(spec.judges.architectures, real.domain)
    else:
        judges = loaded(spec, Path(), real)
        yield f"{told(judges.pool, judges.early)} judge"
    yield _device(spec.compute)


def _assessed(
    paths: Sequence[str], spec: AssessSpec | RankSpec, names: Sequence[str], observer: Observer
) -> Iterator[str]:
    for name in names:
        family(name)
    sets = _sets(paths)
    yield from _told(sets)
    made = next(iter(sets.values()))
    read, _ = Origin.of(made, spec.data, observer).parts(sets, observer)
    yield _images(read.train, None)
    evidence = evidence_of(made, read, spec, names)
    for name in names:
        spelling(name, evidence)
    require_kept(names, evidence.held_out)
    yield f"judged by {told(evidence.pool, evidence.early)}"
    yield _device(spec.compute)


def _device(compute: ComputeSpec) -> str:
    route_of(compute)  # refuses an engine that cannot serve there
    return f"computed on {device_of(compute)}"


def _sets(paths: Sequence[str]) -> dict[str, ImageSet]:
    return {path: load_set(set_file(Path(path))) for path in paths}


def _told(sets: Mapping[str, ImageSet]) -> Iterator[str]:
    for path, made in sets.items():
        yield f"{path}: {counted(len(made), 'image')} of {made.domain.name}"


def _origin(
    sets: Mapping[str, ImageSet], data: DataSpec, observer: Observer, *, train: bool
) -> Generator[str, None, tuple[ImageSet | None, ImageSet]]:
    origin = Origin.of(next(iter(sets.values())), data, observer)
    images = origin.images(sets, observer, train=train)
    yield _images(images.real, images.test)
    return images.real, images.test


def _tested(data: DataSpec, observer: Observer) -> Generator[str, None, tuple[ImageSet, ImageSet]]:
    real, test = read_tested(data, "cpu", observer)
    yield _images(real, test)
    return real, test


def _images(real: ImageSet | None, test: ImageSet | None) -> str:
    some = [(real, "training image"), (test, "test image")]
    there = [(data, word) for data, word in some if data is not None]
    domain = there[0][0].domain
    held = " and ".join(counted(len(data), word) for data, word in there)
    shape = "x".join(map(str, domain.shape))
    return f"{domain.name}: {held} of {shape}, {counted(len(domain.classes), 'class')}"


def _networks(names: Sequence[str], domain: Domain) -> Iterator[str]:
    for name in names:
        network = build(name, domain, key=Key(0))
        yield f"{name}: {sum(p.numel() for p in network.parameters()):,} weights"


def _known(
    coresets: Sequence[str], name: str | None, usual: str, real: ImageSet, root: str
) -> Iterator[str]:
    found = features_by(coresets, name, usual, real, root, look=False)
    if found.words:
        yield f"coresets: {found.words}"
    if found.known.originals:
        yield f"coresets pick as judged by {told(found.known.originals, ())}"
