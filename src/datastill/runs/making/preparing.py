"""A distillation made ready: what cannot be done is found out before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from datastill.augment import dsa
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.distillation.clom import Regulariser, tracking
from datastill.distillation.descent import Descent, starting_counts
from datastill.distillation.learned import labelled
from datastill.distillation.methods import METHODS, Demanding, Published, Task
from datastill.distillation.parametrisations import in_tiles
from datastill.evaluation.scores import family
from datastill.evaluation.selection import Selector
from datastill.networks import build, builder
from datastill.runs.conduct.observer import Observer
from datastill.runs.costs.budget import planned
from datastill.runs.costs.forecast import Plan
from datastill.runs.folders.provenance import Provenance
from datastill.runs.inputs.computing import device_of, route_of
from datastill.runs.inputs.guiding import hands_of, known_of, needed_by, require_asked, unused
from datastill.runs.inputs.needed import Needed
from datastill.runs.inputs.origin import said
from datastill.runs.inputs.picking import Features
from datastill.runs.inputs.reading import read_apart
from datastill.runs.specs import DistillSpec
from datastill.runs.specs.quota import nominal, parse
from datastill.runs.specs.settings import adjusted, made_with
from datastill.store import fingerprint, require_described

Planned = Callable[[], Plan | None]
"""Returns the plan of a run that is to go on."""

CHUNK_LEAST = 4
"""Images that go through a network at once, below which no memory is sought."""

RUN_ALONE = ("recipe", "route", "data", "run")
"""Settings that may differ between a run and the same run when it goes on."""


@dataclass(frozen=True, eq=False)
class Work:
    """A distillation that is ready to begin.

    Attributes:
        method: its name.
        label: how many images, as part of a folder's name.
        counts: synthetic images of each class.
        published: the method, and how its sets are validated.
        task: what it works on.
        descent: how.
        regularisers: what else is computed in an update, by name.
        selector: what chooses a snapshot; None keeps the last.
        features: of the real images, where a coreset to start from picks; None for pixels.
        plan: what fits a budget of time, if there is one.
        settings: all that the result follows from.
    """

    method: str
    label: str
    counts: tuple[int, ...]
    published: Published
    task: Task
    descent: Descent
    regularisers: Mapping[str, Regulariser]
    selector: Selector | None
    features: Tensor | None
    plan: Plan | None
    settings: Mapping[str, Any]

    @property
    def dataset(self) -> str:
        """The name of the real images."""
        return self.task.real.domain.name

    @property
    def asked(self) -> dict[str, Any]:
        """The settings in which a run that goes on must equal what it was."""
        return {name: value for name, value in self.settings.items() if name not in RUN_ALONE}

    def by(self, route: Route) -> Work:
        """Return the same by another route."""
        return replace(
            self,
            task=replace(self.task, route=route),
            regularisers={
                name: tracking(one, route.tracked) for name, one in self.regularisers.items()
            },
            settings={**self.settings, "route": route.facts()},
        )

    def with_smaller_chunks(self) -> Work | None:
        """Return the same in need of less memory at once, or None if there is no such way."""
        route, images = self.task.route, self.task.real.images
        chunk = replace(route, chunk=route.chunk or "auto").most(images) // 2
        tracked = (
            min(route.at_most(images.shape[1:]), max(sum(self.counts), self.descent.batch)) // 2
        )
        if route.vectorises(images):
            return self.by(replace(route, at_once=False, tracked=max(tracked, CHUNK_LEAST)))
        if max(chunk, tracked) < CHUNK_LEAST:
            return None
        chunk, tracked = max(chunk, CHUNK_LEAST), max(tracked, CHUNK_LEAST)
        return self.by(replace(route, chunk=chunk, tracked=tracked))


def prepared(
    spec: DistillSpec, observer: Observer, plan_of: Planned, facts: Mapping[str, Any]
) -> Work:
    """Read the real images, and make ready.

    Args:
        spec: what the set follows from.
        observer: watches.
        plan_of: finds the plan of a run that is to go on.
        facts: what else is written down of the set.

    Raises:
        InputError: when it cannot be done as asked.
    """
    method, quota = METHODS.spelling(spec.method), parse(spec.ipc)
    asked = adjusted(METHODS[method](1), method, spec.settings)
    require_asked(spec, asked)  # before data is read
    said(tuple(unused(spec, asked)), observer)
    if spec.select is not None:
        family(spec.select.by)  # so is an unknown assessment
    read = read_apart(spec.data, device_of(spec.compute), observer, partial(foresee, spec))
    real = read.train
    published, descent = settled(spec, quota.counts(real))
    counts = starting_counts(real, descent)  # too few images of a class are found out now
    task, features = _task_of(spec, real, published, descent, observer)
    regularisers, selector, hands = hands_of(spec, published, task, features, read.held_out)
    plan = None
    if spec.minutes:
        given = (spec.minutes, published, task, descent, regularisers)
        plan = plan_of() or planned(*given, model=spec.model)
    descent = replace(descent, updates=plan.updates) if plan else descent
    more = {**hands, "plan": plan and asdict(plan)}
    settings = provenance_of(spec, method, descent, published, task, more).facts()
    rest = {"recipe": None, "route": task.route.facts(), "data": dict(real.facts), **facts}
    require_described(replace(real, facts={**settings, **rest}))  # while nothing is made yet
    how = (method, quota.label, counts, published, task, descent, regularisers, selector)
    return Work(*how, features.known.features, plan, {**settings, **rest})


def _task_of(
    spec: DistillSpec, real: ImageSet, published: Published, descent: Descent, observer: Observer
) -> tuple[Task, Features]:
    # With the original models that the method needs, and what the coreset to start from knows.
    others = published.needs - {"originals"}
    found = needed_by(spec, real, others)  # first: says most of what lacks
    features = known_of(spec, published, descent, real)
    said(features.caveats, observer)
    asked = features.known.originals or needed_by(spec, real, published.needs - others).originals
    task = task_of(spec, real, published, replace(found, originals=asked))
    if isinstance(published.method, Demanding):
        published.method.require(task, descent)  # before anything is written
    return task, features


def foresee(spec: DistillSpec, real: ImageSet) -> None:
    """Refuse real images that cannot serve, of which no more is known than classes and shape.

    Raises:
        InputError: for images too small for the model, or a class with too few.
    """
    ipc = parse(spec.ipc).counts(real)
    published = METHODS[spec.method](nominal(ipc))
    build(spec.model, real.domain, key=Key(0))
    wanted = (ipc,) * len(real.counts) if isinstance(ipc, int) else ipc
    rows = zip(real.counts, wanted, real.facts["sure_of_classes"], strict=False)
    if all(sure or have >= want for have, want, sure in rows):  # else it is told rightly later
        starting_counts(real, descent_of(spec, ipc, published))


def settled(spec: DistillSpec, ipc: int | tuple[int, ...]) -> tuple[Published, Descent]:
    """Return the settings that a description settles on, and how what is learned is moved.

    Args:
        spec: the description.
        ipc: images of each class.

    Raises:
        InputError: for a setting that the method does not have, or cannot take.
    """
    published = adjusted(METHODS[spec.method](nominal(ipc)), spec.method, spec.settings)
    return published, descent_of(spec, ipc, published)


def descent_of(spec: DistillSpec, ipc: int | tuple[int, ...], published: Published) -> Descent:
    """Return how what is learned is moved."""
    given = {"updates": spec.updates, "lr": spec.lr, "init": spec.init}
    changed: dict[str, Any] = {k: value for k, value in given.items() if value is not None}
    shape, optimisers = published.parametrisation, dict(published.optimisers)
    if spec.tiles is not None:
        shape = in_tiles(shape, spec.tiles)
    if spec.labels is not None:
        shape, optimisers = labelled(shape, optimisers, learned=spec.labels == "learned")
    published = replace(published, parametrisation=shape, optimisers=optimisers)
    return published.descent(ipc, batch=spec.batch, **changed)


def task_of(spec: DistillSpec, real: ImageSet, published: Published, known: Needed) -> Task:
    """Return what the method may look at, ``known`` original models among it."""
    strategy = spec.augmentation
    mirrors = strategy is not None and "flip" in strategy.casefold().split("_")
    if mirrors and spec.data.mirror is False:
        raise InputError(f"`mirror=False`, and `augmentation={strategy!r}` mirrors: leave flip out")
    build = builder(spec.model, real.domain, real.images.device)
    key = Key(spec.compute.seed).at("distil")
    build(key=key)  # an unknown or unfit model is found out now
    route = route_of(spec.compute, spec.model, real.domain)
    policy = dsa(strategy_of(spec, real, published))
    ways, originals = known.trajectories, known.originals
    return Task(real, build, key, policy, route, trajectories=ways, originals=originals)


def strategy_of(spec: DistillSpec, real: ImageSet, published: Published) -> str:
    """Return the augmentation that real and synthetic images share."""
    usual = published.usual_strategy(real.domain)
    return usual if spec.augmentation is None else spec.augmentation


def provenance_of(
    spec: DistillSpec,
    method: str,
    descent: Descent,
    published: Published,
    task: Task,
    more: Mapping[str, Any],
) -> Provenance:
    """Return all that the result follows from; ``more`` is of original models, and a plan."""
    real = task.real
    resolved = {
        "method": method,
        **made_with(published, spec.model, descent),
        "coreset_features": spec.coreset_features,
        "dsa_strategy": strategy_of(spec, real, published),
        **more,
    }
    data = {"real_images": len(real), "real_fingerprint": fingerprint(real)}
    return Provenance.here(spec, real.images.device.type, resolved, data)
