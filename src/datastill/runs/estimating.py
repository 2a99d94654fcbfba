"""What a run will cost on this machine: its terms, found out before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datastill.augment import dsa, usual_strategy
from datastill.base.errors import positive
from datastill.compute import kernels
from datastill.compute.measuring import Answer
from datastill.compute.route import Route
from datastill.compute.tuning import fastest
from datastill.data import Domain, ImageSet
from datastill.distillation.descent import starting_counts
from datastill.distillation.methods import METHODS, Published
from datastill.runs import forecast
from datastill.runs.computing import device_of, route_of
from datastill.runs.forecast import Cost, Rates, measured
from datastill.runs.observer import SILENT, Observer
from datastill.runs.preparing import settled
from datastill.runs.quota import parse
from datastill.runs.reading import read_both
from datastill.runs.specs import ComputeSpec, DistillSpec
from datastill.training.protocol import preset


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
        memory: in bytes.
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
    updates: int
    trials: int

    @property
    def seconds(self) -> float:
        """What all of it takes."""
        return self.updates * self.update.seconds + self.trials * self.trial.seconds


def estimate(spec: DistillSpec, *, trials: int = 5, observer: Observer = SILENT) -> Estimate:
    """Find out what a run will cost: its parts are timed, for a few seconds.

    What assessments take that choose a snapshot is not counted, and nothing is planned to a budget
    of ``minutes``.

    Args:
        spec: what is to be distilled.
        trials: networks by which it is validated.
        observer: watches how data is read.

    Raises:
        InputError: for what cannot be read, or not be distilled from it.
    """
    positive(trials=trials)
    method, device = METHODS.spelling(spec.method), device_of(spec.compute)
    real, test = read_both(spec.data, "cpu", observer)
    ipc = parse(spec.ipc).counts(real)
    published, descent = settled(spec, ipc)
    counts = starting_counts(real, descent)
    rates = _rates(spec, real.domain, published, spec.model)
    guides = spec.pool.architectures if spec.clom else ()
    return Estimate(
        *(method, real.domain.name, counts, device),
        engines=tuple(engine(spec.compute, one, real.domain) for one in (spec.model, *guides)),
        update=_update(spec, published, rates, real, counts),
        trial=forecast.validation(
            *(preset(published.protocol, dataset=real.domain.name), rates),
            images=sum(counts),
            tested=len(test or ()),
        ),
        memory=forecast.memory(
            *(published.method, rates, real.domain),
            real=len(real),
            counts=counts,
            batch=spec.batch,
            route=route_of(spec.compute, spec.model, real.domain),
            device=device,
        ),
        updates=spec.updates or published.updates,
        trials=trials,
    )


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
    return "plain layers, channels last" if route.channels_last else "plain layers"


def _update(
    spec: DistillSpec, published: Published, rates: Rates, real: ImageSet, counts: Sequence[int]
) -> Cost:
    guides = spec.pool.architectures if spec.clom else ()
    pool = [_rates(spec, real.domain, published, name).pixels for name in guides]
    classes = len(counts)
    return forecast.update(
        published.method,
        rates,
        ipc=sum(counts) / classes,
        classes=classes,
        batch=sum(min(spec.batch, count) for count in real.counts) / classes,
        teachers=sum(pool) / len(pool) if pool else 0.0,
    )


def _rates(spec: DistillSpec, domain: Domain, published: Published, model: str) -> Rates:
    usual = usual_strategy(domain) if published.augmented else "none"
    policy = dsa(usual if spec.augmentation is None else spec.augmentation)
    route = route_of(spec.compute, model, domain)
    return measured(model, domain, policy, route, device_of(spec.compute))
