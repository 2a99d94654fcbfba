"""What a comparison is made of: sets, and the real images that they stand for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.base.wording import counted, readable
from datastill.data import ImageSet, require_held, require_same_kind
from datastill.data.labels import hardened, temperature_of
from datastill.distillation.relabelling import relabelled
from datastill.evaluation.comparison import (
    HARD,
    RANDOM,
    REAL,
    Entry,
    Terms,
    labelled_by,
    picked_entry,
    synthetic_entries,
)
from datastill.identity import described, shared
from datastill.networks import find
from datastill.runs.conduct.observer import Observer
from datastill.runs.folders.finding import set_file
from datastill.runs.folders.provenance import Provenance
from datastill.runs.inputs.computing import route_of
from datastill.runs.inputs.origin import Caveats, Images, Origin, said
from datastill.runs.inputs.originals import Shelf
from datastill.runs.inputs.picking import Features, features_by
from datastill.runs.inputs.reading import buildable, read_tested
from datastill.runs.specs import CompareSpec
from datastill.runs.specs.quota import parse
from datastill.store import fingerprint, load
from datastill.training.coresets import CORESETS
from datastill.training.labeller import Labeller
from datastill.training.labelling import EARLY
from datastill.training.pool import Pool
from datastill.training.protocol import Asks, Protocol, preset, with_soft_loss


@dataclass(frozen=True, eq=False)
class Material:
    """What a comparison is made of.

    Attributes:
        sets: by name.
        real: training images.
        test: test images.
        counts: real images of each class to pick.
        pool: original models that label random images.
        labeller: the same as they label on the fly; None where they do not.
        features: of the training images, by which coresets pick.
        caveats: of the images.
    """

    sets: Mapping[str, ImageSet]
    real: ImageSet
    test: ImageSet
    counts: tuple[int, ...]
    pool: Pool
    features: Features
    caveats: Caveats = ()
    labeller: Labeller | None = None

    @property
    def name(self) -> str:
        """What is compared, as folders are called: the dataset, and images of each class."""
        return f"{self.real.domain.name[:60]}-IPC{max(self.counts)}"

    @property
    def rates(self) -> dict[str, float]:
        """The learning rates that sets ask for, by their names, where any does."""
        found = {name: Asks.of(data.facts).learning_rate for name, data in self.sets.items()}
        return {name: rate for name, rate in found.items() if rate is not None}

    @property
    def soft(self) -> bool:
        """Whether a set has soft labels."""
        return any(data.labels.ndim == 2 for data in self.sets.values())

    def temperature(self, asked: float | None) -> float:
        """Return the one that was asked for, or that the soft labels of the sets were made with.

        Raises:
            InputError: when they differ, so that none serves all.
        """
        if asked is not None:
            return asked
        degrees = {temperature_of(data) for data in self.sets.values() if data.labels.ndim == 2}
        if len(degrees) > 1:
            told = " and ".join(f"{degree:g}" for degree in sorted(degrees))
            raise InputError(
                f"the sets' labels were made at temperatures {told}; give `soft.temperature`"
            )
        return min(degrees, default=1.0)

    def softens(self, data: ImageSet) -> bool:
        """Tell whether the random images that a set has to beat get soft labels too."""
        return data.labels.ndim == 2 and bool(self.pool)


def material_of(spec: CompareSpec, device: str, observer: Observer) -> Material:
    """Read the sets and the real images of both splits, and see that they fit together.

    Args:
        spec: what is compared.
        device: where all of it is put.
        observer: is told caveats.

    Raises:
        InputError: for sets of different kinds or sizes, and when there are too few real images.
    """
    made = [load(set_file(Path(path))).to(device) for path in spec.sets]
    names = _names(spec, made, coresets_of(spec))
    found = _images(spec, made, device, observer)
    assert found.real is not None
    sets, real = dict(zip(names, made, strict=True)), found.real
    counts, pool = _counts(spec, sets, real), _pool(spec, real)
    judge = (spec.pool.architectures if spec.pool else ()) or spec.models
    asked = (coresets_of(spec), spec.coreset_features, judge[0])
    features = features_by(*asked, real, spec.pool_path)
    fly = spec.on_the_fly
    labeller = None if fly is None else Labeller(pool, fly.terms)
    if labeller is not None:
        labeller.require_fit(real.domain)
    return Material(sets, real, found.test, counts, pool, features, found.caveats, labeller)


def coresets_of(spec: CompareSpec) -> list[str]:
    """Return the names of the coresets, random images first.

    Raises:
        InputError: for an unknown one.
    """
    asked = [name for name in spec.against if name != EARLY]
    return list(dict.fromkeys([RANDOM, *map(CORESETS.spelling, asked)]))


def terms_of(spec: CompareSpec, material: Material) -> Terms:
    """Return what is equal for all sets.

    Raises:
        InputError: when images are too small for an architecture.
    """
    models = tuple(find(name)[0] for name in spec.models)
    domain = material.real.domain
    buildable(models)(material.real)  # images too small for one are found out now
    protocol = protocol_of(spec, material, spec.protocol, spec.epochs)
    routes = {name: route_of(spec.compute, name, domain) for name in models}
    key = Key(spec.compute.seed)
    return Terms(protocol, models, spec.trials, key, routes, spec.together)


def protocol_of(spec: CompareSpec, material: Material, name: str, epochs: int | None) -> Protocol:
    """Return a preset with the loss of soft labels that was asked for."""
    found = preset(name, epochs=epochs, dataset=material.real.domain.name)
    return with_soft_loss(found, spec.soft.loss, material.temperature(spec.soft.temperature))


def entries_of(spec: CompareSpec, material: Material, terms: Terms) -> list[Entry]:
    """Return the sets, and real images to compare them with."""
    found = [
        one
        for name, data in material.sets.items()
        for one in synthetic_entries(name, data, material.labeller)
    ]
    real = [
        picked_entry(
            *(name, CORESETS[name], material.real, material.counts),
            key=terms.key.at("against", name),
            known=material.features.known,
        )
        for name in coresets_of(spec)
    ]
    found += real
    if material.soft and material.pool:
        degree = material.temperature(spec.soft.temperature)
        found.append(randomly(material.real, material, terms.key, temperature=degree))
    if (labeller := material.labeller) is not None:
        found += [labelled_by(labeller, one) for one in real if one.labels == HARD]
    return found


def provenance_of(
    spec: CompareSpec,
    material: Material,
    terms: Terms,
    device: str,
    early: Mapping[str, Any] | None,
) -> Provenance:
    """Return all that the results follow from, ``early`` labels among it."""
    labeller, random = material.labeller, material.soft and bool(material.pool)
    soft = {name for name, data in material.sets.items() if data.labels.ndim == 2}
    soft_lr = random or labeller is not None or bool(early) or bool(soft - {*material.rates})
    resolved = {
        "dataset": material.real.domain.name,
        "sets": {name: fingerprint(data) for name, data in material.sets.items()},
        "paths": list(spec.sets),
        "images_per_class": material.counts,
        "against": coresets_of(spec),
        "coreset_features": spec.coreset_features,
        **material.features.written(),
        "pool": described(material.pool),
        "labels_on_the_fly": labeller and labeller.facts(),
        "early_labels": early,
        "protocol": terms.protocol.facts(soft=soft_lr),
        "learning_rates_of_sets": material.rates or None,
        "models": terms.models,
        "mirrors": terms.protocol.augmented and material.test.domain.mirror,
        "trials": terms.trials,
        "together": terms.together,
        "real_epochs": spec.real_epochs,
        "real_eval": spec.real_trials,
        "learning_rates": spec.rates,
    }
    data = {
        "real_fingerprint": fingerprint(material.real),
        "test_fingerprint": fingerprint(material.test),
    }
    return Provenance.here(spec, device, resolved, data)


def randomly(images: ImageSet, material: Material, key: Key, *, temperature: float | None) -> Entry:
    """Return random ones of real images, labelled by the pool at a temperature, if there is one."""
    label = None
    if temperature is not None:
        label = partial(relabelled, pool=material.pool, temperature=temperature)
    its = key.at("against", RANDOM)
    return picked_entry(RANDOM, CORESETS[RANDOM], images, material.counts, key=its, label=label)


def _pool(spec: CompareSpec, real: ImageSet) -> Pool:
    if spec.pool is None or not spec.pool.architectures:
        return ()
    return Shelf(spec.pool.path, real).asked(spec.pool)


def _images(spec: CompareSpec, made: list[ImageSet], device: str, observer: Observer) -> Images:
    # The training and the test images that the sets stand for.
    if not made:
        real, test = read_tested(spec.data, device, observer, buildable(spec.models))
        return Images(real, test, said(shared(test), observer))
    buildable(spec.models)(made[0])
    sets = dict(zip(spec.sets, made, strict=True))
    for path, data in sets.items():
        try:
            require_same_kind(data.domain, made[0].domain)
        except InputError as error:
            raise InputError(f"{path} cannot be compared: {error}") from None
    origin = Origin.of(made[0], spec.data, observer)
    try:
        found = origin.images(sets, observer, train=True)
    except InputError as error:
        one = f"{spec.sets[0]} cannot be compared: " if len(sets) == 1 else ""
        raise InputError(f"{one}{error}", typed=f"{one}{error.typed}") from None
    assert found.real is not None
    return Images(found.real.to(device), found.test.to(device), found.caveats)


def _names(spec: CompareSpec, made: list[ImageSet], coresets: Collection[str]) -> list[str]:
    # Short names of the sets: methods where these tell them apart, otherwise paths.
    taken = {"", RANDOM, REAL, EARLY, *coresets}
    methods = [str(data.facts.get("method", "")) for data in made]
    if len(set(methods) - taken) == len(made) and all(map(readable, methods)):
        return methods
    paths = [Path(path) for path in spec.sets]
    if len(set(paths)) < len(paths):
        raise InputError("a set is named twice")
    for parts in range(1, 1 + max((len(path.parts) for path in paths), default=0)):
        ends = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(ends) - taken) == len(made):
            return ends
    return [f"./{path}" for path in paths]


def _counts(spec: CompareSpec, sets: Mapping[str, ImageSet], real: ImageSet) -> tuple[int, ...]:
    # How many real images of each class to pick.
    sizes = {hardened(data).stored_counts for data in sets.values()}
    if spec.ipc is not None:
        asked = parse(spec.ipc).counts(real)
        counts = (asked,) * len(real.domain.classes) if isinstance(asked, int) else asked
    elif len(sizes) == 1:
        (counts,) = sizes
    else:
        told = ", ".join(f"{name} has {counted(len(data), 'image')}" for name, data in sets.items())
        if len({sum(counts) for counts in sizes}) == 1:
            told += ", but not as many of each class"
        raise InputError(f"{told}; sets of one size are compared, or `ipc` says which counts")
    require_held(real, counts, "`ipc` says how many to pick of each class")
    return counts
