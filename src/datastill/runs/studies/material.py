"""What a study is about, and what its sets are made with and held to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.evaluation.scores import epoch_of, family, require_kept
from datastill.evaluation.studies import Bench
from datastill.identity import of_each, require_made_from, without_seen
from datastill.runs.conduct.keeping import EXECUTION
from datastill.runs.conduct.observer import Observer
from datastill.runs.folders.finding import set_file
from datastill.runs.folders.provenance import Provenance
from datastill.runs.inputs.computing import device_of, route_of
from datastill.runs.inputs.needed import of_study
from datastill.runs.inputs.origin import said
from datastill.runs.inputs.reading import buildable, read_all, with_tests
from datastill.runs.specs import StudySpec
from datastill.runs.specs.population import Candidate, wanted
from datastill.runs.studies.judging import Judges
from datastill.runs.studies.workshop import Workshop
from datastill.store import fingerprint, load
from datastill.training.protocol import Protocol, preset


@dataclass(frozen=True, eq=False)
class Material:
    """What a study is about.

    Attributes:
        real: training images.
        held_out: of these, images that are kept to assess by; None where none are.
        test: test images.
        brought: sets that are there already, by names.
        wanted: sets that are to be made.
        route: how images pass the networks that are trained.
    """

    real: ImageSet
    held_out: ImageSet | None
    test: ImageSet
    brought: Mapping[str, ImageSet]
    wanted: list[Candidate]
    route: Route

    @property
    def names(self) -> set[str]:
        """Names of all sets."""
        return {*self.brought, *(candidate.name for candidate in self.wanted)}

    @cached_property
    def fingerprints(self) -> Mapping[str, str]:
        """Of the training and test images, of which all are looked at: once."""
        return {"real": fingerprint(self.real), "test": fingerprint(self.test)}


def read(spec: StudySpec, observer: Observer) -> Material:
    """Read what a study is about, and refuse what could not be made of it.

    Raises:
        InputError: when something does not fit together.
    """
    for name in spec.assessments:
        family(name)  # an unknown one is told now
        epoch_of(name)
    to_make = wanted(spec)
    device = device_of(spec.compute)
    found = read_all(spec.data, device, observer, buildable([spec.model]))
    real, test = found.train, with_tests(found.test, spec.data, observer)
    buildable([spec.model])(real)  # images too small for it are found out now
    require_kept(spec.assessments, found.held_out)  # before models are trained and sets are made
    route = route_of(spec.compute, spec.model, real.domain)
    material = Material(real, found.held_out, test, {}, to_make, route)
    workshop(spec, material, Judges((), (), ()), None).check(to_make)
    return _with_brought(spec, material, observer)


def _with_brought(spec: StudySpec, material: Material, observer: Observer) -> Material:
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


def workshop(spec: StudySpec, material: Material, judges: Judges, own: Path | None) -> Workshop:
    """Return what sets are made with; ``own`` is where the study's models are, once they are."""
    real, key = material.real, Key(spec.compute.seed).at("study")
    given = (real, judges.guides, spec.model, key, spec.batch, spec.method_settings, material.route)
    return Workshop(*given, needed=of_study(spec, real, own))


def bench_of(spec: StudySpec, material: Material, judges: Judges) -> Bench:
    """Return what every set is held to."""
    return Bench(
        material.real,
        material.test,
        judges.pool,
        spec.model,
        protocol_of(spec, material.real),
        Key(spec.compute.seed),
        judges.early,
        route=material.route,
        assessing=route_of(spec.compute),
        held_out=material.held_out,
    )


def protocol_of(spec: StudySpec, real: ImageSet) -> Protocol:
    """Return how networks are trained."""
    name = spec.protocol or ("dsa" if spec.augmented else "dc")
    return preset(name, epochs=spec.epochs, dataset=real.domain.name)


def settings_of(spec: StudySpec, material: Material) -> dict[str, Any]:
    """Return what must be equal for all sets of a study."""
    real = material.real
    resolved = {
        "model": spec.model,
        "protocol": protocol_of(spec, real).facts(soft=True),
        "batch_real": spec.batch,
        "inner_loop": spec.inner_loop,
        **({} if not spec.settings else {"settings": dict(spec.settings)}),
        **({} if spec.data.mirror is None else {"mirror": real.domain.mirror}),
    }
    asked = Provenance.here(spec, real.images.device.type, resolved, material.fingerprints).asked
    return {name: value for name, value in asked.items() if name not in (EXECUTION, "versions")}


def of_set(asked: Mapping[str, Any], shop: Workshop, one: Candidate) -> dict[str, Any]:
    """Return all that a set follows from: of original models only if they have a hand in it."""
    return {**asked, **shop.follows(one)}
