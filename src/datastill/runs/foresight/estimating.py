"""What a run will cost on this machine: its terms, found out before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from datastill.augment import dsa, policy_for
from datastill.base.errors import whole
from datastill.base.rng import Key
from datastill.base.usual import as_usual
from datastill.base.waits import awaited
from datastill.compute import kernels
from datastill.compute.measuring import Answer
from datastill.compute.peak import Peak
from datastill.compute.route import Route
from datastill.compute.tuning import fastest
from datastill.data import Domain, ImageSet
from datastill.distillation.clom import Regulariser
from datastill.distillation.descent import Descent, starting_counts
from datastill.distillation.methods import METHODS, Published
from datastill.networks import BACKBONE, build, find
from datastill.runs.conduct.given import require_kinds
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.costs import forecast
from datastill.runs.costs.forecast import Cost, Rates, measured, took
from datastill.runs.foresight.probing import probed
from datastill.runs.inputs.computing import device_of, route_of
from datastill.runs.inputs.guiding import guided, regularisers_of
from datastill.runs.inputs.needed import Needed
from datastill.runs.inputs.originals import Shelf
from datastill.runs.inputs.reading import read_both
from datastill.runs.making.preparing import settled, strategy_of, task_of
from datastill.runs.specs import ComputeSpec, DistillSpec, ValidateSpec
from datastill.runs.specs.quota import parse
from datastill.runs.validation.plan import terms
from datastill.training.labeller import Labeller
from datastill.training.pool import Member, Trajectory, freeze
from datastill.training.protocol import preset

EPOCHS = 64
"""After how many an original model is followed that stands in for those that are to be trained."""


@dataclass(frozen=True)
class Engine:
    """What runs the layers of an architecture.

    Attributes:
        model: the architecture.
        route: by which images pass it.
        instructions: of the kernels, where it is by these.
        asked: whether somebody asked for it, so that nothing was compared.
        why: what was measured; None where nothing had to be.
    """

    model: str
    route: Route
    instructions: str | None
    asked: bool
    why: Answer | None

    def __str__(self) -> str:
        built = f" ({self.instructions})" if self.instructions else ""
        layers = "kernels" + built if self.route.kernels else described(self.route)
        return f"{self.model}: {layers}{', as asked' if self.asked else ''}"


@dataclass(frozen=True)
class Estimate:
    """What a distillation and a validation of what it makes will cost.

    Attributes:
        method: that distils.
        dataset: name of the real images.
        counts: synthetic images of each class.
        device: where it is computed.
        engines: what runs the layers of the networks, and of the original models that guide.
        update: what one takes, in seconds.
        trial: what one network takes that is trained on the set and tested, in seconds.
        memory: in bytes; without what an update holds where the system does not tell that.
        share: of its images, with how many an update was tried; what it costs is for all of them.
        updates: of the set.
        trials: networks that are trained on it.
    """

    method: str
    dataset: str
    counts: tuple[int, ...]
    device: str
    engines: tuple[Engine, ...]
    update: Cost
    trial: Cost
    memory: Cost
    share: float
    updates: int
    trials: int

    @property
    def seconds(self) -> float:
        """What all of it takes."""
        return self.updates * self.update.seconds + self.trials * self.trial.seconds


@as_usual
def estimate(spec: DistillSpec, *, trials: int = 5, observer: Observer = SILENT) -> Estimate:
    """Find out what a run will cost: a few updates are carried out, and parts of training timed.

    Original models that are yet to be trained are stood in for by others, which cost as much. What
    assessments take that choose a snapshot, and a set beside it by which a weight of CLOM is found
    (`auto`), is not counted, and nothing is planned to a budget of ``minutes``.

    Args:
        spec: what is to be distilled.
        trials: networks by which it is validated.
        observer: watches how data is read.

    Raises:
        InputError: for what cannot be read, or not be distilled from it.
    """
    require_kinds(DistillSpec, spec, observer=observer)
    whole(trials=trials)
    method, device = METHODS.spelling(spec.method), device_of(spec.compute)
    real, test = read_both(spec.data, "cpu", observer)
    ipc = parse(spec.ipc).counts(real)
    published, descent = settled(spec, ipc)
    counts = starting_counts(real, descent)
    guiding = guided(spec, published)
    update, memory, share = _update(guiding, published, descent, real.to(device))
    guides = guiding.pool.architectures if guiding.clom else ()
    return Estimate(
        *(method, real.domain.name, counts, device),
        engines=tuple(engine(spec.compute, one, real.domain) for one in (spec.model, *guides)),
        update=update,
        trial=forecast.validation(
            preset(published.protocol, dataset=real.domain.name),
            _rates(spec, real, published),
            images=sum(counts) * descent.parametrisation.parts,
            tested=len(test or ()),
        ),
        memory=memory,
        share=share,
        updates=descent.updates,
        trials=trials,
    )


def trial_on_the_fly(
    spec: ValidateSpec, made: ImageSet, test: ImageSet, labeller: Labeller
) -> dict[str, Cost]:
    """Return what a network takes that learns from labels on the fly, by architectures.

    Args:
        spec: what is validated.
        made: the set, on the device to compute on.
        test: test images.
        labeller: gives the labels.
    """
    protocol, domain = terms(spec, made), test.domain
    policy = policy_for(protocol.augmentation, domain)
    found: dict[str, Cost] = {}
    for model in spec.models:
        route = route_of(spec.compute, model, domain)
        rates = measured(model, domain, policy, route, made.images.device, labeller)
        found[model] = forecast.validation(protocol, rates, images=len(made), tested=len(test))
    return found


def engine(compute: ComputeSpec, model: str, domain: Domain) -> Engine:
    """Return what runs the layers of an architecture, and why."""
    route = route_of(compute, model, domain)
    built = kernels.instructions() if route.kernels else None
    asked = (compute.engine, route.precision == "bfloat16") != ("auto", False)
    why = None if asked else fastest(model, domain, device_of(compute)).why
    return Engine(model, route, built, asked, why)


def described(route: Route) -> str:
    """Say how PyTorch's layers run."""
    if route.compiled:
        return "compiled layers"
    how = ", channels last" if route.channels_last else ", reworded" if route.reworded else ""
    return f"plain layers{how}"


def _update(
    spec: DistillSpec, published: Published, descent: Descent, real: ImageSet
) -> tuple[Cost, Cost, float]:
    # Seconds and bytes of an update, and with which share of the images they were found.
    judge = (_guide(spec, spec.model, real),) if "originals" in published.needs else ()
    known = Needed(_followed(spec, published, real), judge)
    task = task_of(spec, real, published, known)
    with awaited(f"trying a few updates of {spec.method}"):
        found = probed(published.method, task, descent)
    images = sum(starting_counts(real, descent)) * descent.parametrisation.parts
    clom, most = _guided(spec, real, found.made, images)
    here = real.images.device.type == "cpu"  # a GPU holds no libraries
    held = {"libraries": float(forecast.LIBRARIES)} if here else dict[str, float]()
    held["real images"] = forecast.held(len(real), real.domain)
    reading = held["real images"] if here else 0.0  # they are normalised beside what was read
    if found.memory is None:
        held["reading"] = reading
    else:
        held["an update, or reading"] = max(found.memory, most, reading)
    return Cost({**found.terms, **clom}), Cost(held), found.share


def _guided(
    spec: DistillSpec, real: ImageSet, made: ImageSet, images: int
) -> tuple[Mapping[str, float], float]:
    # Seconds that CLOM adds to an update, on average over its architectures, and bytes at the peak.
    if spec.clom is None:
        return {}, 0.0
    seconds, most, device = list[float](), 0.0, real.images.device
    for name in spec.pool.architectures:
        alone = replace(spec.pool, architectures=(name,))
        one = replace(spec, pool=alone, clom=replace(spec.clom, alphas=(1.0,)))
        (clom,) = regularisers_of(one, real, [_guide(one, name, real)]).values()
        with Peak(device) as peak:
            seconds.append(took(lambda clom=clom: _pass(clom, made), device))
        most = max(most, peak.bytes or 0.0)
    share = images / len(made)
    return {"CLOM": share * sum(seconds) / len(seconds)}, share * most


def _pass(clom: Regulariser, made: ImageSet) -> None:
    images = made.images.detach().clone().requires_grad_()
    torch.autograd.grad(clom(images, made.labels, key=Key(0)), images)


def _guide(spec: DistillSpec, name: str, real: ImageSet) -> Member:
    # One that costs what an original model does.
    if name.startswith(BACKBONE):
        (member,) = Shelf(spec.pool.path, real, other=True).load([name], 1)
        return member
    network = build(name, real.domain, key=Key(0)).to(real.images.device)
    return freeze(network, find(name)[0], real.domain, {"epoch": 1, "held_out_accuracy": 1.0})


def _followed(spec: DistillSpec, published: Published, real: ImageSet) -> tuple[Trajectory, ...]:
    # Two networks in turns that never repeat stand in for one after every epoch.
    if not published.needs:
        return ()
    name = find(spec.model)[0]
    pair = [build(name, real.domain, key=Key(i)).to(real.images.device) for i in (0, 1)]
    return (
        tuple(
            freeze(pair[epoch.bit_count() % 2], name, real.domain, {"epoch": epoch})
            for epoch in range(EPOCHS)
        ),
    )


def _rates(spec: DistillSpec, real: ImageSet, published: Published) -> Rates:
    policy = dsa(strategy_of(spec, real, published))
    route = route_of(spec.compute, spec.model, real.domain)
    return measured(spec.model, real.domain, policy, route, device_of(spec.compute))
