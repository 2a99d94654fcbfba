"""What a validation trains networks on and tests them with: a set, and real images beside it."""

from __future__ import annotations

from dataclasses import dataclass

from datastill.augment import DSA
from datastill.base.rng import Key
from datastill.data import ImageSet, require_held
from datastill.data.labels import hardened, temperature_of
from datastill.evaluation.validation import Draw, EvaluationPlan
from datastill.networks import build, find
from datastill.runs.computing import route_of
from datastill.runs.observer import Observer
from datastill.runs.origin import Caveats, Origin, said
from datastill.runs.originals import Features, features_by
from datastill.runs.reading import other_mirror
from datastill.runs.specs import ValidateSpec
from datastill.training.coresets import CORESETS, picked
from datastill.training.protocol import Asks, Protocol, preset, with_augmentation, with_soft_loss

SYNTHETIC, HARDENED = "synthetic", "synthetic, hard labels"
"""How results call the set itself, and the same with hard labels."""


@dataclass(frozen=True, eq=False)
class Rivals:
    """The real images that a set is compared with.

    Attributes:
        real: training images; None where it is compared with none.
        features: of these, by which coresets pick.
        caveats: of these and of the test images.
    """

    real: ImageSet | None
    features: Features
    caveats: Caveats


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
    for model in models:
        build(model, made.domain, key=Key(0))  # images too small for it are found out now
    origin = Origin.of(made, spec.data, observer)
    images = origin.images({name: made}, observer, train=bool(spec.against))
    test, caveats = images.test.to(made.images.device), images.caveats
    if protocol.augmentation == DSA:
        caveats += said(other_mirror(made, test, name), observer)
    real = None if images.real is None else images.real.to(made.images.device)
    features = Features()
    if real is not None:
        require_held(real, hardened(made).stored_counts, "validate without `against`")
        asked = (spec.against, spec.coreset_features, spec.models[0])
        features = features_by(*asked, real, spec.pool_path)
    rivals = Rivals(real, features, caveats)
    sets = _sets(spec, made, rivals)
    routes = {model: route_of(spec.compute, model, test.domain) for model in models}
    rate = Asks.of(made.facts).learning_rate
    rates = {} if rate is None else {each: rate for each in sets if each not in spec.against}
    key = Key(spec.compute.seed).at("validate")
    return EvaluationPlan(
        sets, test, protocol, routes, spec.trials, key, spec.together, rates
    ), rivals


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
        sets[name] = lambda i, name=name, coreset=coreset: picked(
            coreset, real, counts, key=key.at(name, i), known=known
        )
    return sets


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
