"""What a validation trains networks on and tests them with: a set, and real images beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from datastill.augment import DSA
from datastill.base.rng import Key
from datastill.data import ImageSet, require_held
from datastill.data.labels import hardened, temperature_of
from datastill.evaluation.plan import EvaluationPlan
from datastill.evaluation.validation import Draw
from datastill.identity import unknown
from datastill.networks import find
from datastill.runs.conduct.observer import Observer
from datastill.runs.folders.provenance import Provenance
from datastill.runs.inputs.computing import route_of
from datastill.runs.inputs.origin import Caveats, Origin, said
from datastill.runs.inputs.originals import Shelf, told_of_labels
from datastill.runs.inputs.picking import Features, features_by
from datastill.runs.inputs.reading import buildable, other_mirror
from datastill.runs.specs import ValidateSpec
from datastill.runs.validation.finished import COUNT
from datastill.store import fingerprint
from datastill.training.coresets import CORESETS, Coreset, Known, picked, without_chance
from datastill.training.labeller import Labeller
from datastill.training.protocol import Asks, Protocol, preset, with_augmentation, with_soft_loss

SYNTHETIC, HARDENED = "synthetic", "synthetic, hard labels"
"""How results call the set itself, and the same with hard labels."""
ON_THE_FLY = "labels on the fly"
"""How results call labels that original models give every batch, after the name of the images."""


@dataclass(frozen=True, eq=False)
class Rivals:
    """The real images that a set is compared with.

    Attributes:
        real: training images; None where it is compared with none.
        features: of these, by which coresets pick.
        caveats: of these and of the test images.
        labeller: original models that label on the fly; None without.
    """

    real: ImageSet | None
    features: Features
    caveats: Caveats
    labeller: Labeller | None = None


def prepared(
    spec: ValidateSpec, made: ImageSet, name: str, observer: Observer
) -> tuple[EvaluationPlan, Rivals]:
    """Return all that is trained and tested, and the real images that it is compared with.

    Args:
        spec: what is asked for.
        made: the set, on the device to compute on.
        name: of the set, for messages.
        observer: is told caveats.

    Raises:
        InputError: when images, architectures or coresets do not fit together.
    """
    protocol = terms(spec, made)
    models = [find(model)[0] for model in spec.models]
    buildable(models)(made)  # images too small for one are found out now
    rivals, test = _rivals(spec, made, name, observer, mirrored=protocol.augmentation == DSA)
    sets, labellers = _labelled(_sets(spec, made, rivals), rivals.labeller)
    routes = {model: route_of(spec.compute, model, test.domain) for model in models}
    rate = Asks.of(made.facts).learning_rate
    synthetic = [name for name in sets if name.startswith(SYNTHETIC)]
    rates = {} if rate is None else dict.fromkeys(synthetic, rate)
    key = Key(spec.compute.seed).at("validate")
    return EvaluationPlan(
        sets, test, protocol, routes, spec.trials, key, spec.together, rates, labellers
    ), rivals


def _rivals(
    spec: ValidateSpec, made: ImageSet, name: str, observer: Observer, *, mirrored: bool
) -> tuple[Rivals, ImageSet]:
    # What a set is compared with, and test images.
    origin = Origin.of(made, spec.data, observer)
    images = origin.images({name: made}, observer, train=bool(spec.against))
    test, caveats = images.test.to(made.images.device), images.caveats
    if mirrored:
        caveats += said(other_mirror(made, test, name), observer)
    real, features = None, Features()
    if images.real is not None:
        real = images.real.to(made.images.device)
        require_held(real, hardened(made).stored_counts, "validate without `against`")
        asked = (spec.against, spec.coreset_features, spec.models[0])
        features = features_by(*asked, real, spec.pool_path)
        caveats += said(features.caveats, observer)
    labeller = labeller_of(spec, made, real, test)
    if labeller is not None and (silent := unknown(labeller.pool)):
        caveats += said((silent,), observer)
    return Rivals(real, features, caveats, labeller), test


def labeller_of(
    spec: ValidateSpec, made: ImageSet, real: ImageSet | None, test: ImageSet
) -> Labeller | None:
    """Return the original models that label on the fly, None where none do.

    Args:
        spec: what is asked for.
        made: the set, on the device to compute on.
        real: training images; None where they were not read.
        test: test images, which the models have not seen.

    Raises:
        InputError: when models are missing, were trained on other images, or know other classes.
    """
    if spec.on_the_fly is None or spec.pool is None:
        return None
    known = (made.facts.get("data") or {}) if real is None else real.facts
    if kept := test.facts.get("kept_for_tests"):
        known = {**known, "kept_for_tests": kept}
    pool = Shelf(spec.pool.path, made, known, test.domain.name).asked(spec.pool)
    found = Labeller(pool, spec.on_the_fly.terms)
    found.require_fit(made.domain)
    return found


def provenance_of(
    spec: ValidateSpec,
    made: ImageSet,
    plan: EvaluationPlan,
    rivals: Rivals,
    *,
    save_models: bool,
) -> Provenance:
    """Return all that the results follow from."""
    real, test, labeller = rivals.real, plan.test, rivals.labeller
    soft = (*([SYNTHETIC] if made.labels.ndim == 2 else []), *plan.labellers)
    resolved = {
        "dataset": test.domain.name,
        "protocol": plan.protocol.facts(soft=any(name not in plan.rates for name in soft)),
        "mirrors": plan.protocol.augmentation == DSA and test.domain.mirror,
        "learning_rates": dict(plan.rates) or None,
        "labels_on_the_fly": labeller and labeller.facts(),
        "models": list(plan.routes),
        COUNT: plan.count,
        "sets": list(plan.sets),
        "coreset_features": spec.coreset_features,
        **rivals.features.written(),
        "together": spec.together,
        "save_model": save_models,
    }
    data = {
        "real_fingerprint": None if real is None else fingerprint(real),
        "set_fingerprint": fingerprint(made),
        "test_fingerprint": fingerprint(test),
    }
    return Provenance.here(spec, test.images.device.type, resolved, data)


def tell_of_soft_labels(
    sets: Iterable[ImageSet],
    labeller: Labeller | None,
    found: Provenance,
    tell: Callable[[str], None],
) -> None:
    """Say who labels on the fly, from which learning rate soft labels are learned, and by what.

    Args:
        sets: whose labels may be soft.
        labeller: original models that label on the fly, where they do.
        found: all that the results follow from.
        tell: is given each line.
    """
    if labeller is not None:
        tell(told_of_labels(labeller))
    protocol = found.resolved["protocol"]
    fit, soft_lr = protocol["fit"], protocol.get("soft_lr")
    if soft_lr is not None:
        tell(f"soft labels are learned from a rate of {soft_lr:g}, classes from {fit['lr']:g}")
    softened = max((temperature_of(one) for one in sets if one.labels.ndim == 2), default=1.0)
    if softened > 1 and fit["temperature"] is None:
        tell(
            f"labels were softened by a temperature of {softened:g}, and are learned as they are; "
            "--soft-loss kl (`soft.loss`) softens what networks say as well"
        )


def _labelled(
    sets: Mapping[str, Draw], labeller: Labeller | None
) -> tuple[dict[str, Draw], dict[str, Labeller]]:
    # The sets, and beside each with hard labels the same, labelled on the fly.
    if labeller is None:
        return dict(sets), {}
    found, labellers = dict[str, Draw](), dict[str, Labeller]()
    for name, draw in sets.items():
        found[name] = draw
        if name == SYNTHETIC and HARDENED in sets:
            continue  # its hard labels come next
        title = f"{SYNTHETIC if name == HARDENED else name}, {ON_THE_FLY}"
        found[title], labellers[title] = draw, labeller
    return found, labellers


def _sets(spec: ValidateSpec, made: ImageSet, rivals: Rivals) -> dict[str, Draw]:
    # The set, with soft and with hard labels, and what it is compared with.
    coresets = {name: CORESETS[name] for name in spec.against}
    sets: dict[str, Draw] = {SYNTHETIC: lambda _: made}
    if made.labels.ndim == 2:
        hard = hardened(made)
        sets[HARDENED] = lambda _: hard
    real, known = rivals.real, rivals.features.known
    if real is None:
        return sets
    counts = hardened(made).stored_counts
    key = Key(spec.compute.seed).at("against")
    for name, coreset in coresets.items():
        draw = partial(_drawn, coreset, real, counts, known, key.at(name))
        sets[name] = partial(_first, cache(draw)) if without_chance(coreset) else draw
    return sets


def _drawn(
    coreset: Coreset, real: ImageSet, counts: Sequence[int], known: Known, key: Key, i: int
) -> ImageSet:
    return picked(coreset, real, counts, key=key.at(i), known=known)


def _first(draw: Draw, _: int) -> ImageSet:
    return draw(0)


def terms(spec: ValidateSpec, made: ImageSet) -> Protocol:
    """Return the protocol asked for, by default the one published for the set's method."""
    found = preset(
        spec.protocol or Asks.of(made.facts).protocol,
        epochs=spec.epochs,
        dataset=made.domain.name,
    )
    if spec.augmentation is not None:
        found = with_augmentation(found, spec.augmentation)
    return with_soft_loss(found, spec.soft.loss, spec.soft.temperature or temperature_of(made))
